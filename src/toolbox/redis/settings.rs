//! The settings: what the command line, a file and `CONFIG SET` can say.

use std::collections::BTreeMap;

/// Name, usual value, whether it can be changed while the server runs.
const KNOWN: &[(&str, &str, bool)] = &[
    ("appendfilename", "appendonly.aof", false),
    ("appendfsync", "everysec", true),
    ("appendonly", "no", true),
    ("bind", "* -::*", false),
    ("daemonize", "no", false),
    ("databases", "16", false),
    ("dbfilename", "dump.rdb", true),
    ("dir", "./", true),
    ("loglevel", "notice", true),
    ("maxclients", "10000", true),
    ("maxmemory", "0", true),
    ("maxmemory-policy", "noeviction", true),
    ("port", "6379", false),
    ("protected-mode", "yes", true),
    ("requirepass", "", true),
    ("save", "3600 1 300 100 60 10000", true),
    ("tcp-keepalive", "300", true),
    ("timeout", "0", true),
];

/// The values.
#[derive(Debug, Clone)]
pub struct Settings {
    values: BTreeMap<&'static str, String>,
}

impl Settings {
    /// Reads the arguments of `redis-server`: a file, then `--name value...`.
    ///
    /// # Errors
    /// The file cannot be read, or a name is unknown; the text is for the operator.
    pub fn read(args: &[String]) -> Result<Settings, String> {
        let mut settings = Settings { values: KNOWN.iter().map(|(name, value, _)| (*name, (*value).to_owned())).collect() };
        let mut words = args.iter().peekable();
        if let Some(file) = words.next_if(|word| !word.starts_with("--")) {
            let text = std::fs::read_to_string(file)
                .map_err(|error| format!("Fatal error, can't open config file '{file}': {}", crate::toolbox::failure::reason(&error)))?;
            settings.read_file(&text)?;
        }
        while let Some(name) = words.next() {
            let name = name.strip_prefix("--").ok_or(format!("Bad directive or wrong number of arguments: '{name}'"))?;
            let mut value: Vec<&str> = Vec::new();
            while let Some(word) = words.next_if(|word| !word.starts_with("--")) {
                value.push(word);
            }
            settings
                .put(name, &value.join(" "))
                .map_err(|why| format!("*** FATAL CONFIG FILE ERROR (Redis {}) ***\n>>> '{name}'\n{why}", super::version()))?;
        }
        Ok(settings)
    }

    fn read_file(&mut self, text: &str) -> Result<(), String> {
        for (number, line) in text.lines().enumerate().map(|(number, line)| (number + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let words = super::resp::words(line).unwrap_or_default();
            let words: Vec<String> = words.into_iter().map(|word| String::from_utf8_lossy(&word).into_owned()).collect();
            let done = words.split_first().map_or(Ok(()), |(name, value)| self.put(name, &value.join(" ")));
            done.map_err(|why| {
                format!(
                    "*** FATAL CONFIG FILE ERROR (Redis {}) ***\nReading the configuration file, at line {number}\n>>> '{line}'\n{why}",
                    super::version()
                )
            })?;
        }
        Ok(())
    }

    /// The value of a setting that exists.
    pub fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// A setting that is a number.
    pub fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or(0)
    }

    /// Whether it is `yes`.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name) == "yes"
    }

    /// All names and values.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.values.iter().map(|(name, value)| (*name, value.clone()))
    }

    /// Whether there is such a setting.
    pub fn knows(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Changes a setting while the server runs.
    ///
    /// # Errors
    /// It is unknown, fixed, or the value is wrong.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match KNOWN.iter().find(|known| known.0 == name) {
            Some((_, _, false)) => Err("can't set immutable config".to_owned()),
            _ => self.put(name, value),
        }
    }

    fn put(&mut self, name: &str, value: &str) -> Result<(), String> {
        let name = name.to_ascii_lowercase();
        let (name, usual, _) = KNOWN.iter().find(|known| known.0 == name).ok_or("Bad directive or wrong number of arguments")?;
        if ["yes", "no"].contains(usual) && !["yes", "no"].contains(&value) {
            return Err("argument must be 'yes' or 'no'".to_owned());
        }
        if usual.parse::<u64>().is_ok() && value.parse::<u64>().is_err() && *name != "maxmemory" {
            return Err("argument couldn't be parsed into an integer".to_owned());
        }
        let value = if value == "\"\"" { "" } else { value };
        self.values.insert(name, value.to_owned());
        Ok(())
    }

    /// The pairs of `save`: after so many seconds if so many changes happened.
    pub fn save_points(&self) -> Vec<(u64, u64)> {
        let numbers: Vec<u64> = self.get("save").split_whitespace().filter_map(|word| word.parse().ok()).collect();
        numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_files_say_the_same() {
        let args: Vec<String> = ["--port", "7000", "--save", "60", "1", "--appendonly", "yes"].map(str::to_owned).to_vec();
        let settings = Settings::read(&args).unwrap();
        assert_eq!((settings.number("port"), settings.save_points(), settings.is_on("appendonly")), (7000, vec![(60, 1)], true));
        let mut other = Settings::read(&[]).unwrap();
        other.read_file("# c\nrequirepass \"a b\"\nsave \"\"\n").unwrap();
        assert_eq!((other.get("requirepass"), other.save_points()), ("a b", vec![]));
        assert!(other.read_file("foo 1\n").unwrap_err().contains("at line 1"));
        assert!(other.set("port", "1").is_err() && other.set("appendonly", "maybe").is_err());
    }
}
