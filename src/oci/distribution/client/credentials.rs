//! Names and passwords of registries in docker's own file, `~/.docker/config.json`: what `docker login` wrote we can use, and the other way round.
//!
//! `{"auths": {"HOST": {"auth": "base64 of name:password"}}}`. Docker Hub is `https://index.docker.io/v1/` there, for history's sake. Everything else in the
//! file is kept as it is. Only its owner may read it.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize as _;
use serde_json::{Map, Value, json};

use crate::kernel::error::Errno;
use crate::kernel::{fs, lock};
use crate::oci::reference::HUB;

/// The name of Docker Hub in the file.
pub const HUB_KEY: &str = "https://index.docker.io/v1/";

/// A name with its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub name: String,
    /// The password, or a token that serves as one.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A password is in no log.
        f.debug_struct("Login").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Login {
    /// As HTTP's Basic scheme has it.
    pub fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.name, self.password)))
    }

    /// Reads `base64(name:password)`.
    pub fn read(text: &str) -> Option<Self> {
        let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
        let (name, password) = text.split_once(':')?;
        Some(Login { name: name.to_owned(), password: password.trim_end_matches('\0').to_owned() })
    }
}

/// The file.
#[derive(Debug, Clone)]
pub struct Credentials {
    file: PathBuf,
}

impl Credentials {
    /// The file `config.json` in `folder`.
    pub fn in_folder(folder: &Path) -> Self {
        Credentials { file: folder.join("config.json") }
    }

    /// The file where docker looks for it: in DOCKER_CONFIG, else in `~/.docker`. `None` without a home.
    pub fn usual() -> Option<Self> {
        let folder = std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
        folder.or_else(home).map(|folder| Credentials::in_folder(&folder))
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// The name and password for a registry.
    ///
    /// # Errors
    /// The file cannot be read or is no JSON.
    pub fn get(&self, host: &str) -> Result<Option<Login>, String> {
        let config = self.read()?;
        let Some(auths) = config.get("auths").and_then(Value::as_object) else { return Ok(None) };
        let entry =
            auths.get(key(host)).or_else(|| auths.iter().find(|(known, _)| plain(known) == plain(key(host))).map(|(_, entry)| entry));
        let Some(entry) = entry else { return Ok(None) };
        let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(text("auth")
            .and_then(|auth| Login::read(&auth))
            .or_else(|| Some(Login { name: text("username")?, password: text("password")? })))
    }

    /// Remembers the name and password for a registry.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn set(&self, host: &str, login: &Login) -> Result<(), String> {
        let auth = STANDARD.encode(format!("{}:{}", login.name, login.password));
        self.change(|auths| {
            auths.insert(key(host).to_owned(), json!({"auth": auth}));
        })
    }

    /// Forgets a registry; whether it was known.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn remove(&self, host: &str) -> Result<bool, String> {
        let mut known = false;
        self.change(|auths| known = auths.remove(key(host)).is_some())?;
        Ok(known)
    }

    fn read(&self) -> Result<Map<String, Value>, String> {
        let text = match fs::read(&self.file) {
            Ok(text) => text,
            Err(error) if error.errno == Errno::ENOENT => return Ok(Map::new()),
            Err(error) => return Err(format!("read the credentials: {error}")),
        };
        if text.trim().is_empty() {
            return Ok(Map::new());
        }
        serde_json::from_str(&text).map_err(|error| format!("`{}` is no JSON object: {error}", self.file.display()))
    }

    fn change(&self, change: impl FnOnce(&mut Map<String, Value>)) -> Result<(), String> {
        let failed = |error: crate::kernel::Error| format!("write the credentials: {error}");
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder, 0o700).map_err(failed)?;
        }
        // Two who log in at once both get their line.
        let _lock = lock::take(&self.file.with_file_name(".config.json.lock")).map_err(failed)?;
        let mut config = self.read()?;
        let auths = config.entry("auths").or_insert_with(|| json!({}));
        let Value::Object(auths) = auths else { return Err(format!("`auths` in `{}` is no object", self.file.display())) };
        change(auths);
        let text = indented(&config);
        fs::replace(&self.file, &text, 0o600).map_err(failed)
    }
}

/// The text of `config.json`: docker writes a tab for each level.
pub fn indented(config: &Map<String, Value>) -> Vec<u8> {
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut text, serde_json::ser::PrettyFormatter::with_indent(b"\t"));
    // Into memory, and with keys that are texts: nothing can go wrong.
    let _ = config.serialize(&mut writer);
    text
}

fn key(host: &str) -> &str {
    if [HUB, "index.docker.io", "registry-1.docker.io"].contains(&host) { HUB_KEY } else { host }
}

/// Old files name registries by URLs.
fn plain(key: &str) -> &str {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_docker_wrote_is_read_and_the_rest_of_the_file_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let credentials = Credentials::in_folder(place.path());
        let text = r#"{"credsStore":"","auths":{"https://index.docker.io/v1/":{"auth":"YW5uOnNlOmNyZXQ="},"https://old.example/v2/":{"username":"o","password":"p"}}}"#;
        std::fs::write(credentials.path(), text).unwrap();
        assert_eq!(credentials.get("docker.io").unwrap(), Some(Login { name: "ann".into(), password: "se:cret".into() }));
        assert_eq!(credentials.get("old.example").unwrap().unwrap().name, "o");
        assert_eq!(credentials.get("other.example").unwrap(), None);
        credentials.set("127.0.0.1:5000", &Login { name: "bob".into(), password: "x".into() }).unwrap();
        assert!(std::fs::read_to_string(credentials.path()).unwrap().contains("credsStore"));
        assert_eq!(std::fs::metadata(credentials.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(credentials.get("127.0.0.1:5000").unwrap().unwrap().basic(), "Basic Ym9iOng=");
        assert!(credentials.remove("127.0.0.1:5000").unwrap() && !credentials.remove("127.0.0.1:5000").unwrap());
        std::fs::write(credentials.path(), "[").unwrap();
        assert!(credentials.get("docker.io").unwrap_err().contains("no JSON object"));
    }

    #[test]
    fn the_file_has_tabs_and_keeps_spaces() {
        let config = json!({"auths": {"a  b": {}}});
        assert_eq!(String::from_utf8(indented(config.as_object().unwrap())).unwrap(), "{\n\t\"auths\": {\n\t\t\"a  b\": {}\n\t}\n}");
    }

    #[test]
    fn a_password_is_in_no_debug_text() {
        let login = Login { name: "ann".into(), password: "secret".into() };
        assert!(!format!("{login:?}").contains("secret"));
    }
}
