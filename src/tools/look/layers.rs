//! What lies in the layers of an image. They are looked at one by one where the store has unpacked them, since what an upper layer hides or deletes is still there.

use std::path::{Path, PathBuf};

use regex_lite::Regex;
use serde_json::{Value, json};

use super::images::find;
use crate::course::question::{LARGEST, Seek};
use crate::kernel::error::Errno;
use crate::kernel::look::Look;
use crate::kernel::root::Root;
use crate::oci::image::{Image, Store};

/// How many files are told.
const FILES: usize = 1000;
/// How much of the line in which a text was found is told, in characters.
const LINE: usize = 160;

/// What is sought, ready to be compared.
struct Sought {
    path: Option<PathBuf>,
    paths: Option<Regex>,
    text: Option<Regex>,
}

/// The layers of an image, lowest first, and the files in them that are sought.
pub(super) fn seek(store: Option<&Store>, name: &str, seek: &Seek) -> Result<Value, String> {
    let Some((store, image)) = find(store, name)? else { return Ok(json!({ "exists": false, "layers": [], "files": [] })) };
    let pattern = |text: &Option<String>| text.as_ref().map(|text| Regex::new(text)).transpose().map_err(|error| error.to_string());
    let path = seek.path.as_ref().map(|path| PathBuf::from(path.trim_start_matches('/')));
    let sought = Sought { path, paths: pattern(&seek.paths)?, text: pattern(&seek.text)? };
    let (makers, count) = (makers(&image), image.config.rootfs.diff_ids.len());
    let (mut layers, mut files) = (Vec::new(), Vec::new());
    for (at, (diff_id, chain_id)) in image.config.rootfs.diff_ids.iter().zip(image.config.chain_ids()).enumerate() {
        let number = at + 1;
        // Where the lowest layers have no history (an imported tree), that of the others still fits.
        let maker = (at + makers.len()).checked_sub(count).and_then(|at| makers.get(at));
        layers.push(json!({ "number": number, "diff_id": diff_id.to_string(), "created_by": maker }));
        let layer = store.layer(&chain_id).map_err(|error| error.to_string())?;
        let layer =
            layer.ok_or_else(|| format!("layer {number} of `{name}` is not unpacked; `docker pull` and `docker load` unpack them"))?;
        let root = Root::open(&layer.diff).map_err(|error| error.to_string())?;
        look_into(&root, number, &sought, &mut files).map_err(|error| error.to_string())?;
    }
    Ok(json!({ "exists": true, "layers": layers, "files": files }))
}

/// The instruction that made each layer.
fn makers(image: &Image) -> Vec<String> {
    let entries = image.config.history.iter().filter(|entry| !entry.empty_layer);
    entries.map(|entry| entry.created_by.clone().unwrap_or_default()).collect()
}

fn look_into(root: &Root, number: usize, sought: &Sought, files: &mut Vec<Value>) -> crate::kernel::Result<()> {
    if let Some(path) = &sought.path {
        match root.look(path) {
            Err(error) if matches!(error.errno, Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
            look => files.extend(told(root, number, path, &look?, sought)),
        }
        return Ok(());
    }
    let mut folders = vec![PathBuf::from("")];
    while let Some(folder) = folders.pop() {
        for name in root.names(&if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.clone() })? {
            let path = folder.join(name);
            let look = root.look(&path)?;
            if files.len() < FILES {
                files.extend(told(root, number, &path, &look, sought));
            }
            if look.sort == "dir" {
                folders.push(path);
            }
        }
    }
    Ok(())
}

/// A file of a layer, if it is one that is sought.
fn told(root: &Root, number: usize, path: &Path, look: &Look, sought: &Sought) -> Option<Value> {
    let shown = format!("/{}", path.display());
    if sought.paths.as_ref().is_some_and(|pattern| !pattern.is_match(&shown)) {
        return None;
    }
    let whiteout = look.sort == "char" && look.device == Some((0, 0));
    let mut file = json!({
        "layer": number, "path": shown, "kind": if whiteout { "whiteout" } else { look.sort }, "mode": format!("{:04o}", look.mode),
        "owner": format!("{}:{}", look.uid, look.gid), "size": look.size, "whiteout": whiteout,
        "opaque": look.sort == "dir" && root.is_opaque(path),
    });
    if let Some(target) = &look.links_to {
        file["links_to"] = target.as_str().into();
    }
    let whole = sought.path.is_some() || sought.text.is_some();
    if whole && look.sort == "file" {
        file["content"] = content(root, path, sought.text.as_ref())?.into();
    } else if sought.text.is_some() {
        return None;
    }
    Some(file)
}

/// The content, or the line in which the text was found; `None` if it is not in the file.
fn content(root: &Root, path: &Path, text: Option<&Regex>) -> Option<String> {
    let bytes = root.read_some(path, LARGEST).ok()?;
    let content = String::from_utf8_lossy(&bytes).into_owned();
    let Some(pattern) = text else { return Some(content) };
    let found = pattern.find(&content)?;
    let start = content[..found.start()].rfind('\n').map_or(0, |at| at + 1);
    Some(content[start..].lines().next().unwrap_or_default().chars().take(LINE).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::folder::Folder;
    use crate::oci::image::spec::{ImageConfig, Platform};
    use crate::oci::reference::Reference;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut tree = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_cksum();
            tree.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        tree.into_inner().unwrap()
    }

    #[test]
    fn what_an_upper_layer_hides_is_still_found() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(&place.path().join("store")).unwrap();
        let config = ImageConfig { platform: Platform::here(), ..ImageConfig::default() };
        let base = store.import(&archive(&[("etc/key", "sesame\n"), ("etc/motd", "hello")])[..], config).unwrap();
        let upper = place.path().join("upper/etc");
        std::fs::create_dir_all(&upper).unwrap();
        std::fs::write(upper.join("key"), "xxx").unwrap();
        let above =
            store.commit(&base, &Folder::open(&place.path().join("upper")).unwrap(), "2026-01-01T00:00:00Z", "RUN hide", "").unwrap();
        store.set_name(&"app:1".parse::<Reference>().unwrap(), &above.target).unwrap();
        store.unpack_image(&above, Default::default(), &mut |_, _| {}).unwrap();
        let found = |sought: Seek| seek(Some(&store), "app:1", &sought).unwrap();
        let places = |document: &Value| -> Vec<(u64, String)> {
            let files = document["files"].as_array().unwrap();
            files.iter().map(|file| (file["layer"].as_u64().unwrap(), file["content"].as_str().unwrap_or("-").to_owned())).collect()
        };
        let by_path = found(Seek { path: Some("/etc/key".to_owned()), ..Seek::default() });
        assert_eq!(places(&by_path), [(1, "sesame\n".to_owned()), (2, "xxx".to_owned())]);
        assert_eq!((by_path["layers"].as_array().unwrap().len(), &by_path["layers"][1]["created_by"]), (2, &json!("RUN hide")));
        assert_eq!(places(&found(Seek { text: Some("s.s.me".to_owned()), ..Seek::default() })), [(1, "sesame".to_owned())]);
        assert_eq!(places(&found(Seek { paths: Some("^/etc/m".to_owned()), ..Seek::default() })), [(1, "-".to_owned())]);
        assert!(places(&found(Seek { path: Some("/no/such".to_owned()), ..Seek::default() })).is_empty());
        assert!(seek(Some(&store), "app:1", &Seek { text: Some("(".to_owned()), ..Seek::default() }).is_err());
    }
}
