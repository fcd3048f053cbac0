//! How a registry is to be, by flags, by the variables and by the configuration file that people know from the `registry` image, in this order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ArgMatches;

use crate::oci::distribution::access::{Accounts, Guard};
use crate::oci::distribution::client::credentials::Login;
use crate::oci::distribution::client::settings::Settings;
use crate::oci::distribution::hooks::Hooks;
use crate::oci::distribution::limit::Rate;
use crate::oci::distribution::mirror::Origin;
use crate::oci::distribution::options::Options;
use crate::oci::distribution::tls;
use crate::tools::images::remote::Machine;

/// A setting: its place in the configuration file; in capitals after `REGISTRY_` it is a variable. And its flag, if it has one.
pub struct Setting(pub &'static str, pub Option<&'static str>);

pub const ADDRESS: Setting = Setting("http.addr", Some("listen"));
pub const ROOT: Setting = Setting("storage.filesystem.rootdirectory", Some("root"));
const CERTIFICATE: Setting = Setting("http.tls.certificate", Some("tls-certificate"));
const KEY: Setting = Setting("http.tls.key", Some("tls-key"));
const ACCOUNTS: Setting = Setting("auth.htpasswd.path", Some("htpasswd"));
const REALM: Setting = Setting("auth.htpasswd.realm", None);
const DELETE: Setting = Setting("storage.delete.enabled", None);
const ORIGIN: Setting = Setting("proxy.remoteurl", Some("mirror-of"));
const ORIGIN_NAME: Setting = Setting("proxy.username", None);
const ORIGIN_PASSWORD: Setting = Setting("proxy.password", None);

/// All sources of settings.
pub struct Given<'a> {
    arguments: &'a ArgMatches,
    file: serde_yaml::Value,
}

impl<'a> Given<'a> {
    /// Reads the configuration file, if one is named.
    ///
    /// # Errors
    /// It cannot be read, or is no YAML.
    pub fn read(arguments: &'a ArgMatches) -> Result<Self, String> {
        let path = arguments.try_get_one::<String>("CONFIG").ok().flatten();
        let file = match path {
            None => serde_yaml::Value::Null,
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| format!("read `{path}`: {error}"))?;
                serde_yaml::from_str(&text).map_err(|error| format!("`{path}`: {error}"))?
            }
        };
        Ok(Given { arguments, file })
    }

    /// The value of a setting.
    pub fn get(&self, setting: &Setting) -> Option<String> {
        let flag = setting.1.and_then(|flag| self.arguments.try_get_one::<String>(flag).ok().flatten().cloned());
        let variable = || std::env::var(format!("REGISTRY_{}", setting.0.replace('.', "_").to_ascii_uppercase())).ok();
        flag.or_else(variable).or_else(|| self.in_file(setting.0)).filter(|value| !value.is_empty())
    }

    fn in_file(&self, path: &str) -> Option<String> {
        let at = path.split('.').try_fold(&self.file, |at, key| at.get(key))?;
        match at {
            serde_yaml::Value::String(text) => Some(text.clone()),
            serde_yaml::Value::Bool(yes) => Some(yes.to_string()),
            serde_yaml::Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The addresses of `notifications.endpoints`, and those of `--webhook`.
    fn hooks(&self) -> Vec<String> {
        let flags = self.arguments.get_many::<String>("webhook").into_iter().flatten().cloned();
        let listed = self.file.get("notifications").and_then(|one| one.get("endpoints")).and_then(|list| list.as_sequence());
        let on = |one: &&serde_yaml::Value| one.get("disabled").and_then(serde_yaml::Value::as_bool) != Some(true);
        let url = |one: &serde_yaml::Value| one.get("url").and_then(|url| url.as_str()).map(str::to_owned);
        flags.chain(listed.into_iter().flatten().filter(on).filter_map(url)).collect()
    }

    /// What the server needs to know.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub fn options(&self) -> Result<Options, String> {
        let tls = match (self.get(&CERTIFICATE), self.get(&KEY)) {
            (Some(certificate), Some(key)) => Some(tls::config(Path::new(&certificate), Path::new(&key))?),
            (None, None) => None,
            _ => return Err("TLS needs a certificate and its key: --tls-certificate and --tls-key".to_owned()),
        };
        let mut options = Options { tls, ..Options::default() };
        if let Some(file) = self.get(&ACCOUNTS) {
            let realm = self.get(&REALM).unwrap_or_else(|| "Registry Realm".to_owned());
            options.guard = Guard::Accounts(Arc::new(Accounts::open(&PathBuf::from(file), &realm.replace(['"', '\\'], ""))?));
        }
        // The real one deletes only where that is switched on; ours, unless it is switched off.
        options.keep = self.get(&DELETE).is_some_and(|value| value == "false");
        if let Some(origin) = self.get(&ORIGIN) {
            let login = self.get(&ORIGIN_NAME).zip(self.get(&ORIGIN_PASSWORD)).map(|(name, password)| Login { name, password });
            options.source = Some(Arc::new(Origin::new(self.client(), &origin, login)?));
        }
        let hooks = self.hooks();
        if !hooks.is_empty() {
            options.listener = Some(Arc::new(Hooks::new(self.client(), &hooks)?));
        }
        if let Some(text) = self.arguments.get_one::<String>("pull-limit") {
            let rate = read_rate(text).ok_or_else(|| format!("`{text}` is no limit: use PULLS/SECONDS, for example 100/21600"))?;
            options.rate = Some(Arc::new(move |_| rate));
        }
        Ok(options)
    }

    /// How the registry asks others. It has no password of the person who starts it.
    fn client(&self) -> Settings {
        Settings { credentials: None, ..Settings::usual(Arc::new(Machine)) }
    }
}

fn read_rate(text: &str) -> Option<Rate> {
    let (pulls, seconds) = text.split_once('/')?;
    let window = std::time::Duration::from_secs(seconds.parse().ok().filter(|seconds| *seconds > 0)?);
    Some(Rate { pulls: pulls.parse().ok()?, window })
}
