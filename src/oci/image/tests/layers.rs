//! Layers on top of each other, and back to tars.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::made::{Tar, listing};
use crate::kernel::folder::Folder;
use crate::kernel::root::Root;
use crate::oci::digest::Digest;
use crate::oci::image::archive::Limits;
use crate::oci::image::compress::{Compression, Encoder};
use crate::oci::image::pack::{Source, pack};
use crate::oci::image::spec::{Descriptor, ImageConfig, Platform, RootFs, media};
use crate::oci::image::sweep::{Damage, Needed};
use crate::oci::image::unpack::Owners;
use crate::oci::image::unpack::{OVERLAY_OPAQUE, Options, Whiteouts, unpack};
use crate::oci::image::{Error, Image, Store};

fn store() -> (tempfile::TempDir, Store) {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let store = Store::open(&place.path().join("store")).unwrap();
    (place, store)
}

fn compressed(compression: Compression, tar: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(compression, Vec::new()).unwrap();
    encoder.write_all(tar).unwrap();
    encoder.finish().unwrap()
}

/// An image of these layers, each compressed in another way.
fn image(store: &Store, tars: &[Vec<u8>]) -> Image {
    let kinds = [Compression::Gzip, Compression::None, Compression::Zstd];
    let layers: Vec<Descriptor> = tars
        .iter()
        .zip(kinds.iter().cycle())
        .map(|(tar, kind)| store.put_blob(media::LAYER_GZIP, &compressed(*kind, tar)).unwrap())
        .collect();
    let rootfs = RootFs { diff_ids: tars.iter().map(|tar| Digest::of(tar)).collect(), ..RootFs::default() };
    let target = store.put_image(&ImageConfig { platform: Platform::here(), rootfs, ..ImageConfig::default() }, layers).unwrap();
    store.set_name(&"app:1".parse().unwrap(), &target).unwrap();
    store.find("app:1", &Platform::here()).unwrap()
}

fn unpacked(store: &Store, image: &Image) -> Result<Vec<crate::oci::image::layers::Layer>, Error> {
    store.unpack_image(image, Limits::default(), &mut |_, _| {})
}

fn packed(folder: &Path) -> Vec<u8> {
    let mut tar = Vec::new();
    pack(&Folder::open(folder).unwrap(), Source::Upper, &mut tar).unwrap();
    tar
}

#[test]
fn whiteouts_become_what_overlayfs_reads_and_whiteouts_again() {
    let (_place, store) = store();
    let low = Tar::default().folder("a").file("a/gone", "1").file("a/kept", "2").folder("b").file("b/old", "3").end();
    let high =
        Tar::default().folder("a").file("a/.wh.gone", "").folder("b").file("b/.wh..wh..opq", "").file("b/new", "4").file(".wh.c", "").end();
    let layers = unpacked(&store, &image(&store, &[low, high])).unwrap();
    let top = Folder::open(&layers[1].diff).unwrap();
    assert!(top.enter(OsStr::new("a")).unwrap().status(OsStr::new("gone")).unwrap().unwrap().is_whiteout());
    assert_eq!(top.attribute(OsStr::new("b"), OVERLAY_OPAQUE).unwrap().as_deref(), Some(&b"y"[..]));
    let mut names = Vec::new();
    crate::oci::image::archive::read(&packed(&layers[1].diff)[..], Limits::default(), |entry, _| {
        names.push(entry.path.to_string_lossy().into_owned());
        Ok(())
    })
    .unwrap();
    assert_eq!(names, ["a", "a/.wh.gone", "b", "b/.wh..wh..opq", "b/new", ".wh.c"]);
}

#[test]
fn a_layer_that_is_packed_and_unpacked_again_is_the_same() {
    let (place, store) = store();
    let long = format!("deep/{}", "n".repeat(120));
    let tar = Tar::default()
        .folder("deep")
        .record("path", long.as_bytes())
        .file("x", "long name")
        .record("SCHILY.xattr.user.note", b"kept\0as it is")
        .raw(b"su", b'0', b"", 0o4755, b"program")
        .hard("twin", "su")
        .link("link", "../../anywhere")
        .file(".wh.removed", "")
        .raw(b"pipe", b'6', b"", 0o600, b"")
        .end();
    let first = unpacked(&store, &image(&store, &[tar])).unwrap().remove(0);
    let again = place.path().join("again");
    std::fs::create_dir(&again).unwrap();
    let options = Options { whiteouts: Whiteouts::Overlay, owners: Owners::possible(), limits: Limits::default() };
    let tar = packed(&first.diff);
    unpack(&tar[..], &Root::open(&again).unwrap(), options, &|_| None).unwrap();
    assert_eq!(listing(&again), listing(&first.diff));
    assert_eq!(packed(&again), tar);
    let [su, twin] = ["su", "twin"].map(|name| std::fs::metadata(again.join(name)).unwrap());
    assert_eq!((su.ino(), su.mode() & 0o7777, su.mtime()), (twin.ino(), 0o4755, 1_000_000_000));
    assert_eq!(Folder::open(&again).unwrap().attribute(OsStr::new("su"), "user.note").unwrap().unwrap(), b"kept\0as it is");
}

#[test]
fn folders_that_a_layer_does_not_name_look_like_those_below() {
    let (_place, store) = store();
    let low = Tar::default().raw(b"tmp", b'5', b"", 0o1777, b"").end();
    let high = Tar::default().file("tmp/new", "x").file("other/new", "y").end();
    let layers = unpacked(&store, &image(&store, &[low, high])).unwrap();
    let mode = |name: &str| std::fs::metadata(layers[1].diff.join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("tmp"), mode("other")), (0o1777, 0o755));
    assert_eq!(std::fs::metadata(layers[1].diff.join("tmp")).unwrap().mtime(), 1_000_000_000);
}

#[test]
fn a_layer_that_is_not_what_the_configuration_says_leaves_nothing() {
    let (_place, store) = store();
    let layer = store.put_blob(media::LAYER, &Tar::default().file("a", "x").end()).unwrap();
    let rootfs = RootFs { diff_ids: vec![Digest::of(b"another")], ..RootFs::default() };
    let target = store.put_image(&ImageConfig { platform: Platform::here(), rootfs, ..ImageConfig::default() }, vec![layer]).unwrap();
    let image = store.read_image(&target, &Platform::here()).unwrap();
    assert!(matches!(unpacked(&store, &image), Err(Error::Damaged { .. })));
    assert!(store.layers().unwrap().is_empty());
    let left: Vec<_> = std::fs::read_dir(store.folder().join("layers")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().ends_with(".lock")), "{left:?}");
}

#[test]
fn a_bomb_is_stopped_while_it_unpacks() {
    let (_place, store) = store();
    let tar = Tar::default().raw(b"zeros", b'0', b"", 0o644, &vec![0; 100 << 20]).end();
    let image = image(&store, &[tar]);
    let error = unpacked(&store, &image).unwrap_err().to_string();
    assert!(error.contains("200 bytes for each compressed one"), "{error}");
    assert!(store.layers().unwrap().is_empty());
}

#[test]
fn what_a_crash_left_is_done_again() {
    let (_place, store) = store();
    let image = image(&store, &[Tar::default().file("a", "x").end()]);
    let chain = image.config.chain_ids().remove(0);
    for name in [format!(".{}", chain.hex()), chain.hex().to_owned()] {
        std::fs::create_dir_all(store.folder().join("layers").join(name).join("diff/half")).unwrap();
    }
    assert!(store.layer(&chain).unwrap().is_none());
    assert_eq!(store.check().unwrap(), [Damage::Layer { chain_id: chain, why: "it has no record: it was never finished".to_owned() }]);
    assert_eq!(listing(&unpacked(&store, &image).unwrap()[0].diff), ["a=x"]);
}

#[test]
fn saved_images_load_into_another_store_with_the_same_ids() {
    let (_place, store) = store();
    let image = image(&store, &[Tar::default().file("a", "x").end(), Tar::default().file("b", "y").end()]);
    let mut archive = Vec::new();
    let one = crate::oci::image::save::ToSave { names: image.tags.clone(), image: image.clone() };
    store.save(std::slice::from_ref(&one), &mut archive).unwrap();
    let mut again = Vec::new();
    store.save(&[one], &mut again).unwrap();
    assert!(archive == again, "saving twice gives the same bytes");
    for bytes in [archive.clone(), compressed(Compression::Gzip, &archive)] {
        let (_place, other) = self::store();
        let loaded = other.load(&bytes[..], &Platform::here()).unwrap();
        assert_eq!(
            loaded.iter().map(|one| (one.name.as_ref().unwrap().familiar(), &one.id)).collect::<Vec<_>>(),
            [("app:1".to_owned(), image.id())]
        );
        unpacked(&other, &other.find("app:1", &Platform::here()).unwrap()).unwrap();
        other.sweep(&Needed::default()).unwrap().unwrap();
        assert!(other.check().unwrap().is_empty());
    }
    let (_place, other) = self::store();
    assert!(other.load(&b"no tar at all"[..], &Platform::here()).is_err());
    assert!(other.load(&Tar::default().file("a", "b").end()[..], &Platform::here()).unwrap_err().to_string().contains("manifest.json"));
}

#[test]
fn what_no_name_leads_to_is_swept_and_the_rest_stays() {
    let (_place, store) = store();
    let shared = Tar::default().file("shared", "x").end();
    let old = image(&store, &[shared.clone(), Tar::default().file("old", "y").end()]);
    unpacked(&store, &old).unwrap();
    let new = image(&store, &[shared, Tar::default().file("new", "z").end()]);
    unpacked(&store, &new).unwrap();
    assert_eq!(store.forget(&old.target.digest).unwrap(), []);
    let lease = store.lease().unwrap();
    assert!(store.sweep(&Needed::default()).unwrap().is_none(), "somebody brings something in");
    drop(lease);
    let swept = store.sweep(&Needed::default()).unwrap().unwrap();
    assert_eq!((swept.blobs.len(), swept.layers.len()), (3, 1), "manifest, configuration and one layer");
    assert_eq!(store.layers().unwrap().len(), 2);
    assert!(store.check().unwrap().is_empty());
    unpacked(&store, &store.find("app:1", &Platform::here()).unwrap()).unwrap();
}

#[test]
fn damage_is_found_and_repaired() {
    let (_place, store) = store();
    let image = image(&store, &[Tar::default().file("a", "x").end()]);
    let layer = &image.manifest.layers[0].digest;
    std::fs::remove_file(store.blob_path(layer)).unwrap();
    std::fs::write(store.blob_path(layer), "nonsense").unwrap();
    let damage = store.check().unwrap();
    assert!(matches!(&damage[..], [Damage::Blob { digest, .. }] if digest == layer), "{damage:?}");
    store.repair(&damage).unwrap();
    assert_eq!(store.check().unwrap(), [Damage::Missing { digest: layer.clone() }]);
}

#[test]
fn an_import_is_an_image_of_one_layer() {
    let (_place, store) = store();
    let tar = Tar::default().folder("bin").file("bin/sh", "#!").end();
    let config = ImageConfig { platform: Platform::here(), ..ImageConfig::default() };
    let image = store.import(&tar[..], config.clone()).unwrap();
    assert_eq!(listing(&unpacked(&store, &image).unwrap()[0].diff), ["bin/", "bin/sh=#!"]);
    assert!(image.is_dangling());
    assert!(
        store
            .import(
                &b"this is no archive, whatever it says of itself, and it is long enough to be looked at as one: ".repeat(20)[..],
                config
            )
            .is_err()
    );
}

#[test]
fn many_who_unpack_the_same_image_do_it_once() {
    let (_place, store) = store();
    let image = image(&store, &[Tar::default().file("a", "x").end(), Tar::default().file("b", "y").end()]);
    let inodes: Vec<u64> = std::thread::scope(|scope| {
        let unpacking: Vec<_> =
            (0..6).map(|_| scope.spawn(|| std::fs::metadata(unpacked(&store, &image).unwrap()[1].diff.join("b")).unwrap().ino())).collect();
        unpacking.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(inodes.iter().all(|inode| *inode == inodes[0]));
}
