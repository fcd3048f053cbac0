//! Mount options, as `config.json` and mount(8) write them, sorted into what the kernel takes: attributes of the mount
//! (mount_setattr(2)), propagation, parameters of the file system (fsconfig(2)).

use crate::kernel::mount::MsFlags;

/// `MOUNT_ATTR__ATIME` and its values (linux/mount.h): the access time modes are one field, not bits.
const ATIME: u64 = 0x70;
const RELATIME: u64 = 0x00;
const NOATIME: u64 = 0x10;
const STRICTATIME: u64 = 0x20;
const RDONLY: u64 = 0x01;
const NOSUID: u64 = 0x02;
const NODEV: u64 = 0x04;
const NOEXEC: u64 = 0x08;
const NODIRATIME: u64 = 0x80;
const NOSYMFOLLOW: u64 = 0x20_0000;

/// Attributes to set and to clear.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Bits of `MOUNT_ATTR_*`.
    pub set: u64,
    /// Bits of `MOUNT_ATTR_*`.
    pub clear: u64,
}

impl Attributes {
    /// Whether there is nothing to do.
    pub fn is_empty(self) -> bool {
        self == Attributes::default()
    }

    fn add(&mut self, set: u64, clear: u64) {
        // The later option wins over the earlier one.
        self.set = self.set & !clear | set;
        self.clear = self.clear & !set | clear;
        if clear & ATIME == ATIME {
            // The whole field is cleared before the new mode is set, also when that mode is 0.
            self.clear |= ATIME;
        }
    }
}

/// The read-only attribute, for roots and read-only paths.
pub const READ_ONLY: Attributes = Attributes { set: RDONLY, clear: 0 };

/// All options of one mount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `Some(true)` for `rbind`.
    pub bind: Option<bool>,
    /// Change the mount that is there.
    pub remount: bool,
    /// Of this mount.
    pub attributes: Attributes,
    /// Of this mount and all below it.
    pub recursive: Attributes,
    /// `shared`, `rprivate` and the like, in order.
    pub propagation: Vec<MsFlags>,
    /// Fill a tmpfs with what it hides.
    pub copy_up: bool,
    /// Map ids: `Some(true)` for the whole tree.
    pub id_map: Option<bool>,
    /// Everything else, for the file system: `size=64k`, and flags without a value.
    pub data: Vec<(String, String)>,
}

/// (name, sets, clears) of the mount's attributes. With `r` in front they hold for the whole tree.
const ATTRIBUTES: &[(&str, u64, u64)] = &[
    ("ro", RDONLY, 0),
    ("rw", 0, RDONLY),
    ("nosuid", NOSUID, 0),
    ("suid", 0, NOSUID),
    ("nodev", NODEV, 0),
    ("dev", 0, NODEV),
    ("noexec", NOEXEC, 0),
    ("exec", 0, NOEXEC),
    ("nodiratime", NODIRATIME, 0),
    ("diratime", 0, NODIRATIME),
    ("noatime", NOATIME, ATIME),
    ("atime", RELATIME, ATIME),
    ("relatime", RELATIME, ATIME),
    ("norelatime", RELATIME, ATIME),
    ("strictatime", STRICTATIME, ATIME),
    ("nostrictatime", RELATIME, ATIME),
    ("nosymfollow", NOSYMFOLLOW, 0),
    ("symfollow", 0, NOSYMFOLLOW),
];

/// The default, or without effect since long.
const IGNORED: &[&str] = &["defaults", "async", "loud", "silent", "nomand", "nolazytime", "noiversion", "acl", "noacl", "copy-symlink"];

/// The flag of a propagation by name, with or without `r`.
pub fn propagation(name: &str) -> Option<MsFlags> {
    let (flag, tree) = match name {
        "private" => (MsFlags::MS_PRIVATE, false),
        "rprivate" => (MsFlags::MS_PRIVATE, true),
        "shared" => (MsFlags::MS_SHARED, false),
        "rshared" => (MsFlags::MS_SHARED, true),
        "slave" => (MsFlags::MS_SLAVE, false),
        "rslave" => (MsFlags::MS_SLAVE, true),
        "unbindable" => (MsFlags::MS_UNBINDABLE, false),
        "runbindable" => (MsFlags::MS_UNBINDABLE, true),
        _ => return None,
    };
    Some(if tree { flag | MsFlags::MS_REC } else { flag })
}

impl Options {
    /// Sorts the options of a mount.
    pub fn parse(options: &[String]) -> Options {
        let mut sorted = Options::default();
        options.iter().for_each(|option| sorted.add(option));
        sorted
    }

    fn add(&mut self, option: &str) {
        let attribute = |name: &str| ATTRIBUTES.iter().find(|(known, ..)| *known == name);
        if let Some((_, set, clear)) = attribute(option) {
            return self.attributes.add(*set, *clear);
        }
        if let Some((_, set, clear)) = option.strip_prefix('r').and_then(attribute) {
            return self.recursive.add(*set, *clear);
        }
        if let Some(flags) = propagation(option) {
            return self.propagation.push(flags);
        }
        match option {
            "bind" => self.bind = Some(self.bind.unwrap_or(false)),
            "rbind" => self.bind = Some(true),
            "remount" => self.remount = true,
            "tmpcopyup" => self.copy_up = true,
            "idmap" => self.id_map = Some(false),
            "ridmap" => self.id_map = Some(true),
            ignored if IGNORED.contains(&ignored) => {}
            other => {
                let (key, value) = other.split_once('=').unwrap_or((other, ""));
                self.data.push((key.to_owned(), value.to_owned()));
            }
        }
    }
}

/// The names of all options that are not handed to the file system, for `features`.
pub fn known() -> Vec<String> {
    let plain = ATTRIBUTES.iter().map(|(name, ..)| (*name).to_owned());
    let recursive = ATTRIBUTES.iter().map(|(name, ..)| format!("r{name}"));
    let others = ["bind", "rbind", "remount", "tmpcopyup", "idmap", "ridmap"];
    let propagation = ["private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"];
    let mut all: Vec<String> = plain.chain(recursive).chain(others.iter().chain(&propagation).map(|name| (*name).to_owned())).collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Options {
        Options::parse(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn attributes_propagation_and_data_are_told_apart() {
        let options = parse("rbind,ro,nosuid,rslave,size=64k,newinstance,rnoexec");
        assert_eq!(options.bind, Some(true));
        assert_eq!(options.attributes, Attributes { set: RDONLY | NOSUID, clear: 0 });
        assert_eq!(options.recursive, Attributes { set: NOEXEC, clear: 0 });
        assert_eq!(options.propagation, [MsFlags::MS_SLAVE | MsFlags::MS_REC]);
        assert_eq!(options.data, [("size".into(), "64k".into()), ("newinstance".into(), String::new())]);
    }

    #[test]
    fn the_last_of_two_contradicting_options_wins() {
        assert_eq!(parse("ro,rw").attributes, Attributes { set: 0, clear: RDONLY });
        assert_eq!(parse("rw,ro").attributes, Attributes { set: RDONLY, clear: 0 });
        assert_eq!(parse("noatime,strictatime").attributes, Attributes { set: STRICTATIME, clear: ATIME });
        assert_eq!(parse("strictatime,relatime").attributes, Attributes { set: 0, clear: ATIME });
    }
}
