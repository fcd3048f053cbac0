//! What an image is, as facts know it.

use serde_json::{Map, Value, json};

use crate::oci::image::spec::{Platform, RunConfig};
use crate::oci::image::{Error, Image, Store};
use crate::oci::reference::Reference;

/// All images that run here.
pub(super) fn all(store: Option<&Store>) -> Result<Value, String> {
    let Some(store) = store else { return Ok(json!({ "images": [] })) };
    let images = store.images(&Platform::here()).map_err(|error| error.to_string())?;
    let documents: Result<Vec<Value>, Error> = images.iter().map(|image| document(store, image)).collect();
    Ok(json!({ "images": documents.map_err(|error| error.to_string())? }))
}

/// One image.
pub(super) fn one(store: Option<&Store>, name: &str) -> Result<Value, String> {
    match find(store, name)? {
        None => Ok(json!({ "exists": false })),
        Some((store, image)) => document(store, &image).map_err(|error| error.to_string()),
    }
}

/// The image of that name or id, if there is one.
///
/// # Errors
/// The store is damaged, or the name is none.
pub(super) fn find<'s>(store: Option<&'s Store>, name: &str) -> Result<Option<(&'s Store, Image)>, String> {
    let Some(store) = store else { return Ok(None) };
    match store.find(name, &Platform::here()) {
        Ok(image) => Ok(Some((store, image))),
        Err(Error::NoSuchImage(_)) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn document(store: &Store, image: &Image) -> Result<Value, Error> {
    let familiar = |names: &[Reference]| names.iter().map(Reference::familiar).collect::<Vec<_>>();
    let history = image.config.history.iter().map(|entry| entry.created_by.clone().unwrap_or_default());
    let mut document = json!({
        "exists": true,
        "names": familiar(&image.tags),
        "digests": familiar(&image.digests),
        "dangling": image.is_dangling(),
        "image_id": image.id().to_string(),
        "digest": image.target.digest.to_string(),
        "platform": image.config.platform.to_string(),
        "created": image.config.created,
        "author": image.config.author,
        "image_size": store.image_size(&image.config)?,
        "layers": image.config.rootfs.diff_ids.len(),
        "diff_ids": image.config.rootfs.diff_ids.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "history": history.collect::<Vec<_>>(),
    });
    if let Value::Object(things) = &mut document {
        things.extend(running(&image.config.config));
    }
    Ok(document)
}

/// How a container of it runs. What an image does not say is empty.
pub(in crate::tools) fn running(config: &RunConfig) -> Map<String, Value> {
    let keys = |map: &Option<std::collections::BTreeMap<String, Value>>| map.iter().flat_map(|map| map.keys().cloned()).collect::<Vec<_>>();
    let health = config.healthcheck.as_ref();
    let said = json!({
        "entrypoint": config.entrypoint.clone().unwrap_or_default(),
        "cmd": config.cmd.clone().unwrap_or_default(),
        "user": config.user,
        "env": config.env.clone().unwrap_or_default(),
        "labels": config.labels.clone().unwrap_or_default(),
        "workdir": config.working_dir,
        "ports": keys(&config.exposed_ports),
        "volumes": keys(&config.volumes),
        "healthcheck": health.map(|health| health.test.clone()).unwrap_or_default(),
        "stop_signal": config.stop_signal.clone().unwrap_or_default(),
        "shell": config.shell.clone().unwrap_or_default(),
        "onbuild": config.on_build.clone().unwrap_or_default(),
    });
    if let Value::Object(said) = said { said } else { Map::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::fact::known;
    use crate::oci::image::spec::ImageConfig;

    fn made(store: &Store, name: &str) {
        let mut tree = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        tree.append_data(&mut header, "etc/word", &b"ahoy"[..]).unwrap();
        let run = RunConfig { user: "ada".to_owned(), cmd: Some(vec!["/bin/x".to_owned()]), ..RunConfig::default() };
        let config = ImageConfig { platform: Platform::here(), config: run, ..ImageConfig::default() };
        let image = store.import(&tree.into_inner().unwrap()[..], config).unwrap();
        store.set_name(&name.parse::<Reference>().unwrap().or_latest(), &image.target).unwrap();
    }

    #[test]
    fn an_image_is_told_by_name_and_by_id() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        made(&store, "app:1");
        let app = one(Some(&store), "app:1").unwrap();
        assert_eq!(
            (&app["exists"], &app["user"], &app["cmd"], &app["layers"]),
            (&json!(true), &json!("ada"), &json!(["/bin/x"]), &json!(1))
        );
        assert_eq!((&app["names"], &app["dangling"], &app["entrypoint"]), (&json!(["app:1"]), &json!(false), &json!([])));
        assert_eq!(one(Some(&store), app["image_id"].as_str().unwrap()).unwrap(), app);
        assert_eq!(one(Some(&store), "app:2").unwrap(), json!({ "exists": false }));
        assert!(one(Some(&store), "App:2").unwrap_err().contains("lowercase"), "a broken name is nobody's lack of an image");
        assert_eq!(all(Some(&store)).unwrap()["images"], json!([app]));
        // What an author may ask for is what is told, and the other way round.
        assert_eq!(known::unknown_in(known::fields_of("images"), &app), [""; 0]);
        for field in known::fields_of("images") {
            assert!(app.get(field.split('.').next().unwrap_or_default()).is_some(), "nobody tells `{field}`");
        }
    }
}
