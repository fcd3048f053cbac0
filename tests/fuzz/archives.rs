//! The lanes of what an image is made of: archives, packed or not, unpacked beside a canary; package databases and advisories.

use std::io;

use super::lane;
use crate::kernel::root::Root;
use crate::oci::image::archive::{self, Limits};
use crate::oci::image::compress::{Compression, Encoder, decoder};
use crate::oci::image::unpack::{Options, Owners, Whiteouts, unpack};

/// Little enough that a bomb is over before its second is.
const LIMITS: Limits = Limits { entries: 10_000, bytes: 8 << 20, ratio: 200 };

/// What headers of tar are made of.
const TAR: &[&str] = &[
    "ustar\u{0}00",
    "ustar  \u{0}",
    "././@LongLink",
    "../",
    "/",
    ".wh.",
    ".wh..wh..opq",
    "12 path=../x\n",
    "30 GNU.sparse.major=1\n",
    "20 size=99999999999\n",
    "SCHILY.xattr.user.overlay.opaque",
    "77777777777",
    "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
];

/// An archive with one of everything.
fn tar() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |kind: tar::EntryType, path: &str, link: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        if link.is_empty() {
            builder.append_data(&mut header, path, content).expect("an entry");
        } else {
            builder.append_link(&mut header, path, link).expect("a link");
        }
    };
    add(tar::EntryType::Directory, "etc/", "", b"");
    add(tar::EntryType::Regular, "etc/passwd", "", b"root:x:0:0::/:/bin/sh\n");
    add(tar::EntryType::Symlink, "etc/link", "../usr", b"");
    add(tar::EntryType::Link, "etc/hard", "etc/passwd", b"");
    add(tar::EntryType::Fifo, "etc/fifo", "", b"");
    add(tar::EntryType::Char, "etc/null", "", b"");
    add(tar::EntryType::Regular, &"long/".repeat(40), "", b"long");
    add(tar::EntryType::Regular, "etc/.wh.gone", "", b"");
    add(tar::EntryType::Regular, "etc/.wh..wh..opq", "", b"");
    add(tar::EntryType::XHeader, "pax", "", b"30 mtime=1350244992.023960108\n");
    add(tar::EntryType::Regular, "late", "", b"content");
    builder.into_inner().expect("the archive")
}

fn packed(compression: Compression, content: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(compression, Vec::new()).expect("an encoder");
    io::Write::write_all(&mut encoder, content).expect("write");
    encoder.finish().expect("the end")
}

#[test]
fn tars() {
    let place = tempfile::tempdir().expect("a folder");
    let (target, canary) = (place.path().join("target"), place.path().join("canary"));
    std::fs::write(&canary, "sings").expect("a canary");
    let count = std::cell::Cell::new(0_u32);
    lane("tar", &[tar()], TAR, |input| {
        let read = archive::read(input, LIMITS, |_, content| {
            io::copy(content, &mut io::sink()).map(drop).map_err(crate::oci::image::Error::reading("read"))
        });
        drop(read);
        count.set(count.get() + 1);
        // Files cost more than bytes: a few of the inputs are unpacked.
        if count.get() % 8 == 1 {
            std::fs::create_dir_all(&target).expect("a target");
            let root = Root::open(&target).expect("the target");
            for whiteouts in [Whiteouts::Remove, Whiteouts::Overlay] {
                drop(unpack(input, &root, Options { whiteouts, owners: Owners::Us, limits: LIMITS }, &|_| None));
            }
            let beside = std::fs::read_dir(place.path()).expect("look").count();
            assert!(beside == 2 && std::fs::read(&canary).is_ok_and(|song| song == b"sings"), "something left the target");
            crate::kernel::fs::remove_dir_all(&target).expect("remove it");
        }
    });
}

#[test]
fn packed_tars() {
    let corpus = [Compression::Gzip, Compression::Zstd].map(|compression| packed(compression, &tar()));
    lane("packed-tar", &corpus, &["\u{1f}", "\u{0}\u{0}\u{0}\u{4}"], |input| {
        let fed = std::cell::Cell::new(0);
        let Ok(decoded) = decoder(archive::Counted::new(input, &fed)) else { return };
        drop(archive::read(archive::Bounded::new(decoded, &fed, LIMITS), LIMITS, |_, _| Ok(())));
    });
}

#[test]
fn package_databases_and_advisories() {
    use crate::advisories::{self, Advisories, packages, versions::Rules};
    let list = Advisories::read(advisories::COURSE).expect("the course's own");
    let database = "Package: libssl3\nStatus: install ok installed\nSource: openssl (3)\nVersion: 1:3.0~rc1-1+deb12u1\n\nP:musl\nV:1.2_rc1-r3\no:musl\n\n";
    let corpus = [database.as_bytes().to_vec(), b"SQLite format 3\0\x10\x00\x01\x01\x00".to_vec()];
    let words = ["Package: ", "Version: ", "\n\n", "P:", "V:", "~", "^", "-r", ":", "_p", "99999999999999999999", "SQLite format 3\0"];
    lane("packages", &corpus, &words, |input| {
        for path in ["var/lib/dpkg/status", "lib/apk/db/installed", "var/lib/rpm/rpmdb.sqlite", "etc/os-release"] {
            drop(advisories::report(&packages::Files::from([(path.to_owned(), input.to_vec())]), &list, "2026-01-01"));
        }
        let text = String::from_utf8_lossy(input);
        let (left, right) = text.split_once('\n').unwrap_or((&text, ""));
        for rules in [Rules::Dpkg, Rules::Apk, Rules::Rpm] {
            assert_eq!(rules.compare(left, right), rules.compare(right, left).reverse(), "{left:?} {right:?}");
        }
    });
    lane("advisories", &[advisories::COURSE.as_bytes().to_vec()], &["schema: 2", "severity: ", "&a [*a]", "ends: ", "!!binary"], |input| {
        drop(Advisories::read(&String::from_utf8_lossy(input)));
    });
}
