//! `registry` of the `registry` image: `registry serve CONFIG` and `registry garbage-collect CONFIG`. Each is a line of `bottleship registry`.

use std::ffi::OsString;
use std::process::ExitCode;

use super::fail;

/// Where the content is: in the file, in the environment (which wins), and if neither says.
const FOLDER: [&str; 3] = ["storage", "filesystem", "rootdirectory"];
const VARIABLE: &str = "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY";
const USUAL: &str = "/var/lib/registry";

/// Runs `registry` with the arguments behind its name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<String> = args.into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let read = |file: &str| std::fs::read_to_string(file).map_err(|error| format!("configuration error: open {file}: {error}"));
    match line(&args, &read, std::env::var(VARIABLE).ok()) {
        Ok(line) => super::run(line),
        Err(why) => fail(&why, None),
    }
}

/// The line of `bottleship` that does the same.
fn line(args: &[String], read: &dyn Fn(&str) -> Result<String, String>, folder: Option<String>) -> Result<Vec<String>, String> {
    let (flags, words): (Vec<&str>, Vec<&str>) = args.iter().map(String::as_str).partition(|arg| arg.starts_with('-'));
    let line: Vec<&str> = match words.as_slice() {
        ["serve", file] => return Ok(["bottleship", "registry", "serve", file].map(str::to_owned).to_vec()),
        ["garbage-collect", file] => {
            let document: serde_yaml::Value =
                serde_yaml::from_str(&read(file)?).map_err(|error| format!("configuration error: {error}"))?;
            let from_file = FOLDER.iter().try_fold(&document, |at, part| at.get(*part)).and_then(serde_yaml::Value::as_str);
            let folder = folder.or(from_file.map(str::to_owned)).unwrap_or_else(|| USUAL.to_owned());
            let line = ["bottleship", "registry", "--root", &folder, "garbage-collect"].map(str::to_owned);
            return Ok(line.into_iter().chain(flags.into_iter().map(str::to_owned)).collect());
        }
        other => other.to_vec(),
    };
    Err(format!(
        "usage: registry serve|garbage-collect CONFIG, and not `{}`. This is Bottleship's stand-in for the registry",
        line.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_the_image_is_the_command_of_bottleship() {
        let read = |_: &str| Ok("storage:\n  filesystem:\n    rootdirectory: /data\n".to_owned());
        let told = |text: &str, folder: Option<&str>| {
            let args: Vec<String> = text.split(' ').map(str::to_owned).collect();
            line(&args, &read, folder.map(str::to_owned)).map(|line| line.join(" "))
        };
        assert_eq!(told("serve /etc/c.yml", None).unwrap(), "bottleship registry serve /etc/c.yml");
        assert_eq!(told("garbage-collect -m c", None).unwrap(), "bottleship registry --root /data garbage-collect -m");
        assert_eq!(told("garbage-collect c", Some("/other")).unwrap(), "bottleship registry --root /other garbage-collect");
        assert!(told("garbage-collect", None).is_err() && told("frobnicate x", None).is_err());
    }
}
