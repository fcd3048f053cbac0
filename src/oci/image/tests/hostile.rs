//! 86-facts-security, section 5.2: every archive is unpacked with a canary beside the target and one in the current folder's place.

use super::made::{Tar, listing};
use crate::kernel::root::Root;
use crate::oci::image::Error;
use crate::oci::image::archive::Limits;
use crate::oci::image::unpack::{Options, Owners, Unpacked, Whiteouts, unpack};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        std::fs::create_dir(folder.path().join("target")).unwrap();
        std::fs::create_dir(folder.path().join("canary")).unwrap();
        std::fs::write(folder.path().join("canary/file"), "alive").unwrap();
        Place { folder }
    }

    fn target(&self) -> std::path::PathBuf {
        self.folder.path().join("target")
    }

    fn unpack(&self, tar: &[u8], whiteouts: Whiteouts) -> Result<Unpacked, Error> {
        let options = Options { whiteouts, owners: Owners::Us, limits: Limits { entries: 1000, bytes: 1 << 20, ratio: 200 } };
        let result = unpack(tar, &Root::open(&self.target()).unwrap(), options, &|_| None);
        assert_eq!(listing(&self.folder.path().join("canary")), ["file=alive"], "the canary");
        let beside: Vec<String> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(beside.len(), 2, "nothing beside the target: {beside:?}");
        result
    }

    fn listing(&self) -> Vec<String> {
        listing(&self.target())
    }

    fn canary(&self) -> String {
        self.folder.path().join("canary").to_string_lossy().into_owned()
    }
}

/// Refused in all three ways of unpacking.
fn refused(tar: &[u8], reason: &str) {
    for whiteouts in [Whiteouts::Overlay, Whiteouts::Remove, Whiteouts::Keep] {
        let error = Place::new().unpack(tar, whiteouts).expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}, expected {reason}");
    }
}

#[test]
fn cve_2014_9356_names_that_lead_out_are_refused() {
    refused(&Tar::default().file("../canary/file", "dead").end(), "leads out of the archive");
    refused(&Tar::default().file("a/../../canary/file", "dead").end(), "leads out of the archive");
    refused(&Tar::default().folder("../canary/new").end(), "leads out of the archive");
    refused(&Tar::default().raw(b"..", b'5', b"", 0o755, b"").end(), "leads out of the archive");
}

#[test]
fn absolute_names_land_inside() {
    let place = Place::new();
    place.unpack(&Tar::default().file("/etc/passwd", "x").file("//a//./b", "y").end(), Whiteouts::Overlay).unwrap();
    assert_eq!(place.listing(), ["a/", "a/b=y", "etc/", "etc/passwd=x"]);
}

#[test]
fn cve_2014_9357_a_link_and_then_a_file_through_it() {
    // In the root itself these lead to the root: what is written through them stays in it.
    for target in ["..", "/"] {
        let place = Place::new();
        place.unpack(&Tar::default().link("out", target).file("out/file", "inside").end(), Whiteouts::Overlay).unwrap();
        assert_eq!(place.listing(), ["file=inside".to_owned(), format!("out -> {target}")]);
    }
    let place = Place::new();
    assert!(
        place.unpack(&Tar::default().link("out", "../canary").file("out/file", "dead").end(), Whiteouts::Overlay).is_err(),
        "no canary inside"
    );
    let place = Place::new();
    let canary = place.canary();
    let result = place.unpack(&Tar::default().link("out", &canary).file("out/file", "dead").end(), Whiteouts::Overlay);
    assert!(result.is_err(), "the absolute target does not exist inside");
}

#[test]
fn a_link_in_the_last_place_is_replaced_and_not_written_through() {
    let place = Place::new();
    let canary = format!("{}/file", place.canary());
    place.unpack(&Tar::default().link("file", &canary).file("file", "new").end(), Whiteouts::Overlay).unwrap();
    assert_eq!(place.listing(), ["file=new"]);
}

#[test]
fn a_folder_that_becomes_a_link_in_the_middle() {
    let place = Place::new();
    let canary = place.canary();
    let tar = Tar::default().folder("a").file("a/one", "1").link("a", &canary).file("a/file", "dead").end();
    assert!(place.unpack(&tar, Whiteouts::Overlay).is_err());
    // And back: a link that becomes a folder is a folder.
    let place = Place::new();
    let tar = Tar::default().link("a", &canary).folder("a").file("a/file", "inside").end();
    place.unpack(&tar, Whiteouts::Overlay).unwrap();
    assert_eq!(place.listing(), ["a/", "a/file=inside"]);
}

#[test]
fn cve_2026_50163_hard_links_to_the_outside() {
    for target in ["../canary/file", "../../canary/file", "a/../../canary/file"] {
        refused(&Tar::default().hard("stolen", target).end(), "leads out of the archive");
    }
    // Absolute means inside, where it is not; the current folder is never asked.
    refused(&Tar::default().hard("stolen", "/etc/passwd").end(), "no such file in this layer");
    refused(&Tar::default().hard("stolen", "etc/hostname").end(), "no such file in this layer");
    let place = Place::new();
    let canary = place.canary();
    assert!(place.unpack(&Tar::default().link("out", &canary).hard("stolen", "out/file").end(), Whiteouts::Overlay).is_err());
    // A hard link to a link is the link again, which is harmless.
    let place = Place::new();
    place.unpack(&Tar::default().link("out", &canary).hard("twin", "out").end(), Whiteouts::Overlay).unwrap();
    assert!(std::fs::symlink_metadata(place.target().join("twin")).unwrap().is_symlink());
}

#[test]
fn links_planted_by_an_earlier_layer() {
    let place = Place::new();
    let canary = place.canary();
    place.unpack(&Tar::default().link("etc", &canary).end(), Whiteouts::Remove).unwrap();
    assert!(place.unpack(&Tar::default().file("etc/file", "dead").end(), Whiteouts::Remove).is_err());
    assert!(place.unpack(&Tar::default().file("etc/.wh.file", "").end(), Whiteouts::Remove).is_err());
    assert!(place.unpack(&Tar::default().file("etc/.wh..wh..opq", "").end(), Whiteouts::Remove).is_err());
}

#[test]
fn whiteouts_that_would_hide_too_much() {
    for name in [".wh..", "a/.wh..", ".wh...", "a/.wh..."] {
        for whiteouts in [Whiteouts::Overlay, Whiteouts::Remove] {
            let error = Place::new().unpack(&Tar::default().folder("a").file(name, "").end(), whiteouts).unwrap_err().to_string();
            assert!(error.contains("hide the folder itself"), "{name}: {error}");
        }
    }
    // An empty name: AUFS wrote such files; it removes nothing.
    let place = Place::new();
    place.unpack(&Tar::default().file("kept", "x").file(".wh..wh.plnk", "").end(), Whiteouts::Remove).unwrap();
    assert_eq!(place.listing(), ["kept=x"]);
}

#[test]
fn marks_of_overlayfs_cannot_be_brought_along() {
    let place = Place::new();
    let tar = Tar::default()
        .raw(b"hidden", b'3', b"", 0, b"")
        .record("SCHILY.xattr.user.overlay.opaque", b"y")
        .folder("a")
        .record("SCHILY.xattr.trusted.overlay.redirect", b"/etc")
        .folder("b")
        .end();
    let done = place.unpack(&tar, Whiteouts::Overlay).unwrap();
    assert_eq!((done.devices, done.attributes, place.listing()), (1, 2, vec!["a/".to_owned(), "b/".to_owned()]));
    let folder = crate::kernel::folder::Folder::open(&place.target()).unwrap();
    assert_eq!(folder.attribute(std::ffi::OsStr::new("a"), "user.overlay.opaque").unwrap(), None);
}

#[test]
fn devices_are_left_out_and_fifos_are_not_waited_for() {
    let place = Place::new();
    let tar =
        Tar::default().raw(b"sda", b'4', b"", 0o660, b"").raw(b"null", b'3', b"", 0o666, b"").raw(b"pipe", b'6', b"", 0o644, b"").end();
    assert_eq!(place.unpack(&tar, Whiteouts::Overlay).unwrap().devices, 2);
    assert_eq!(place.listing(), ["pipe!"]);
    // A file over the fifo, and a hard link to it.
    place.unpack(&Tar::default().file("pipe", "x").hard("twin", "pipe").end(), Whiteouts::Overlay).unwrap();
    assert_eq!(place.listing(), ["pipe=x", "twin=x"]);
}

#[test]
fn cve_2025_62518_a_size_in_two_places_means_one_archive() {
    let inner = Tar::default().file("inner", "smuggled").end();
    let mut outer = Tar::default().record("size", format!("{}", inner.len()).as_bytes()).file("outer.tar", "").end();
    // The header says 0, the pax record the length of the archive inside.
    outer.truncate(512 * 3);
    outer.extend_from_slice(&inner);
    outer.extend_from_slice(&Tar::default().file("last", "x").end());
    let place = Place::new();
    place.unpack(&outer, Whiteouts::Overlay).unwrap();
    let names: Vec<String> = place.listing().iter().map(|line| line.split('=').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["last", "outer.tar"]);
}

#[test]
fn broken_pax_records_are_errors_and_not_passed_over() {
    for records in [&b"12 path=x"[..], b"999 path=longer\n", b"abc\n", b"14 size=1e999\n", b"18 GNU.sparse.size=x\n"] {
        let result = Place::new().unpack(&Tar::default().pax(records).file("a", "x").end(), Whiteouts::Overlay);
        assert!(result.is_err(), "{:?}", String::from_utf8_lossy(records));
    }
}

#[test]
fn names_with_a_nul_or_too_long_are_refused() {
    refused(&Tar::default().record("path", b"a\0b").file("x", "").end(), "NUL");
    refused(&Tar::default().record("linkpath", b"a\0b").link("x", "y").end(), "NUL");
    refused(&Tar::default().record("path", &[b'a'; 5000]).file("x", "").end(), "too long");
    assert!(
        Place::new().unpack(&Tar::default().record("path", &[b'a'; 300]).file("x", "").end(), Whiteouts::Overlay).is_err(),
        "longer than a file name"
    );
}

#[test]
fn content_where_none_can_be_is_refused() {
    refused(&Tar::default().raw(b"a", b'5', b"", 0o755, &[0; 512]).end(), "it is no file and yet has content");
    refused(&Tar::default().raw(b"a", b'S', b"", 0o755, b"").end(), "");
    refused(&Tar::default().raw(b"a", b'Z', b"", 0o755, b"").end(), "unknown type");
    refused(&Tar::default().link("a", "").end(), "a link to nothing");
    refused(&Tar::default().raw(b"./", b'0', b"", 0o644, b"").raw(b".", b'0', b"", 0o644, b"x").end(), "it is no folder");
}

#[test]
fn set_user_id_stays_and_the_umask_does_not_matter() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place
        .unpack(&Tar::default().raw(b"su", b'0', b"", 0o4755, b"x").raw(b"tmp", b'5', b"", 0o1777, b"").end(), Whiteouts::Overlay)
        .unwrap();
    let mode = |name: &str| std::fs::metadata(place.target().join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("su"), mode("tmp")), (0o4755, 0o1777));
}

#[test]
fn too_many_entries_and_too_many_bytes_end_early() {
    let many = (0..1200).fold(Tar::default(), |tar, number| tar.file(&format!("f{number}"), "")).end();
    refused(&many, "1000 entries");
    let big = Tar::default().file("a", &"x".repeat(600 << 10)).file("b", &"x".repeat(600 << 10)).end();
    refused(&big, "1048576 bytes");
}

#[test]
fn a_cut_archive_is_an_error() {
    let whole = Tar::default().file("a", &"x".repeat(2000)).end();
    for length in [100, 600, 1500] {
        assert!(Place::new().unpack(&whole[..length], Whiteouts::Overlay).is_err(), "{length}");
    }
    // Without the marks at the end it is whole all the same: Docker's own layers are like that.
    assert!(Place::new().unpack(&whole[..2560], Whiteouts::Overlay).is_ok());
    let mut corrupt = whole.clone();
    corrupt[5] ^= 1;
    assert!(Place::new().unpack(&corrupt, Whiteouts::Overlay).is_err(), "checksum");
}

#[test]
fn where_it_is_called_from_does_not_matter() {
    // `cargo test` runs in the crate's folder, which has a `src`: a relative name must not find it.
    refused(&Tar::default().hard("stolen", "src/main.rs").end(), "no such file in this layer");
}

#[test]
fn cve_2021_32760_a_mode_is_not_set_through_a_hard_link() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let canary = format!("{}/file", place.canary());
    std::fs::set_permissions(&canary, std::fs::Permissions::from_mode(0o600)).unwrap();
    // A hard link to a link to the outside, then an entry of the same name with a mode of its own.
    let tar = Tar::default().link("out", &canary).hard("twin", "out").raw(b"twin", b'0', b"", 0o4777, b"x").end();
    place.unpack(&tar, Whiteouts::Overlay).unwrap();
    assert_eq!(place.listing(), [format!("out -> {canary}"), "twin=x".to_owned()]);
    assert_eq!(std::fs::metadata(&canary).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn cve_2017_14992_documents_that_are_nested_too_deep_are_refused() {
    use crate::oci::image::spec::{Document, ImageConfig, media};
    let (open, close) = ("[".repeat(200_000), "]".repeat(200_000));
    let deep = format!(r#"{{"schemaVersion":2,"mediaType":"{}","x":{open}1{close}}}"#, media::MANIFEST);
    assert!(Document::read(Some(media::MANIFEST), deep.as_bytes()).is_err());
    assert!(ImageConfig::read(deep.as_bytes()).is_err());
}
