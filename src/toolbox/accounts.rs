//! `adduser`, `addgroup`, `useradd`, `groupadd`: users and groups of a container, for Dockerfiles that leave root.
//!
//! They write `/etc/passwd` and `/etc/group` (passwd(5), group(5)); nobody logs in to a container, so there are no passwords.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::failure::{Failure, reason};
use super::options::{self, Given, Known};

/// Flags of all flavours, Debian's, BusyBox's and shadow's. Those with a meaning here are read, the others (passwords, comments) are not needed.
const USER: &[Known] = &[
    ('D', "disabled", false),
    ('H', "no-create-home", false),
    ('M', "no-home", false),
    ('m', "create-home", false),
    ('S', "busybox-system", false),
    ('r', "system", false),
    ('N', "no-user-group", false),
    ('l', "no-log-init", false),
    ('o', "non-unique", false),
    ('U', "user-group", false),
    ('\0', "disabled-password", false),
    ('\0', "disabled-login", false),
    ('\0', "group", false),
    ('h', "home", true),
    ('d', "home-dir", true),
    ('s', "shell", true),
    ('u', "uid", true),
    ('G', "groups", true),
    ('g', "gid", true),
    ('c', "comment", true),
    ('\0', "gecos", true),
    ('\0', "ingroup", true),
    ('k', "skel", true),
    ('p', "password", true),
];
const GROUP: &[Known] =
    &[('g', "gid", true), ('S', "busybox-system", false), ('r', "system", false), ('f', "force", false), ('\0', "group", false)];

/// Which of the tools it is: they read the same letters in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    /// `adduser -G group -g comment`.
    Add,
    /// `useradd -g group -G more,groups`.
    Shadow,
}

/// `adduser`.
pub fn adduser(args: &[String], _out: &mut dyn Write) -> Result<u8, Failure> {
    add_user(&Accounts::new(Path::new("/")), Flavour::Add, &options::parse(args, USER, false)?)
}

/// `useradd`.
pub fn useradd(args: &[String], _out: &mut dyn Write) -> Result<u8, Failure> {
    add_user(&Accounts::new(Path::new("/")), Flavour::Shadow, &options::parse(args, USER, false)?)
}

/// `addgroup` and `groupadd`.
pub fn addgroup(args: &[String], _out: &mut dyn Write) -> Result<u8, Failure> {
    add_group(&Accounts::new(Path::new("/")), &options::parse(args, GROUP, false)?)
}

struct Accounts {
    root: PathBuf,
}

/// A line of `/etc/passwd` or `/etc/group`, cut at its colons.
type Line = Vec<String>;

impl Accounts {
    fn new(root: &Path) -> Self {
        Accounts { root: root.to_owned() }
    }

    fn read(&self, file: &str) -> Vec<Line> {
        let text = std::fs::read_to_string(self.root.join(file)).unwrap_or_default();
        text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
    }

    fn write(&self, file: &str, lines: &[Line]) -> Result<(), Failure> {
        let text: String = lines.iter().map(|line| line.join(":") + "\n").collect();
        std::fs::write(self.root.join(file), text).map_err(|error| Failure::new(1, format_args!("/{file}: {}", reason(&error))))
    }

    fn is_taken(&self, file: &str, id: u32) -> bool {
        self.read(file).iter().any(|line| line.get(2).is_some_and(|field| *field == id.to_string()))
    }

    /// The next number that is free as a user and as a group: 100 and up for the system's, 1000 and up for people.
    fn free(&self, system: bool) -> u32 {
        let mut all = if system { 100..1000 } else { 1000..60_000 };
        all.find(|id| !self.is_taken(PASSWD, *id) && !self.is_taken(GROUPS, *id)).unwrap_or(60_000)
    }

    /// The number of a group by its name or number.
    fn group(&self, name: &str) -> Option<u32> {
        let known = self.read(GROUPS).iter().find(|line| line[0] == name).and_then(|line| line.get(2)?.parse().ok());
        known.or_else(|| name.parse().ok().filter(|id| self.is_taken(GROUPS, *id)))
    }

    fn make_group(&self, name: &str, id: u32) -> Result<(), Failure> {
        let mut lines = self.read(GROUPS);
        lines.push(vec![name.to_owned(), "x".to_owned(), id.to_string(), String::new()]);
        self.write(GROUPS, &lines)
    }

    fn join(&self, user: &str, group: &str) -> Result<(), Failure> {
        let mut lines = self.read(GROUPS);
        let line = lines.iter_mut().find(|line| line[0] == group || line.get(2).is_some_and(|id| id == group));
        let line = line.ok_or_else(|| Failure::new(6, format_args!("unknown group {group}")))?;
        line.resize(4, String::new());
        if !line[3].split(',').any(|member| member == user) {
            line[3] = if line[3].is_empty() { user.to_owned() } else { format!("{},{user}", line[3]) };
        }
        self.write(GROUPS, &lines)
    }
}

const PASSWD: &str = "etc/passwd";
const GROUPS: &str = "etc/group";

fn number(given: &Given, option: &str) -> Result<Option<u32>, Failure> {
    given.number(option)
}

fn add_group(accounts: &Accounts, given: &Given) -> Result<u8, Failure> {
    match given.rest.as_slice() {
        [name] => {
            if accounts.group(name).is_some() {
                return if given.has("force") { Ok(0) } else { Err(Failure::new(9, format_args!("group '{name}' in use"))) };
            }
            let system = given.has("system") || given.has("busybox-system");
            let id = number(given, "gid")?.unwrap_or_else(|| accounts.free(system));
            accounts.make_group(name, id)?;
            Ok(0)
        }
        [user, group] => accounts.join(user, group).map(|()| 0),
        _ => Err(Failure::new(2, "give the name of a group, or a user and a group")),
    }
}

fn add_user(accounts: &Accounts, flavour: Flavour, given: &Given) -> Result<u8, Failure> {
    let (name, group) = match given.rest.as_slice() {
        [name] => (name, None),
        [user, group] if flavour == Flavour::Add => return accounts.join(user, group).map(|()| 0),
        _ => return Err(Failure::new(2, "give the name of a user")),
    };
    let mut lines = accounts.read(PASSWD);
    if lines.iter().any(|line| line[0] == *name) {
        return Err(Failure::new(9, format_args!("user '{name}' in use")));
    }
    let system = given.has("system") || given.has("busybox-system");
    let id = number(given, "uid")?.unwrap_or_else(|| accounts.free(system));
    let asked = if flavour == Flavour::Add { given.value("groups").or(given.value("ingroup")) } else { given.value("gid") };
    let group_id = match asked.or(group) {
        Some(group) => accounts.group(group).ok_or_else(|| Failure::new(6, format_args!("group '{group}' does not exist")))?,
        None => {
            let group_id = if accounts.is_taken(GROUPS, id) { accounts.free(system) } else { id };
            accounts.make_group(name, group_id)?;
            group_id
        }
    };
    let home = given.value("home").or(given.value("home-dir")).map_or_else(|| format!("/home/{name}"), str::to_owned);
    let shell = given.value("shell").unwrap_or(if system { "/sbin/nologin" } else { "/bin/sh" });
    let comment = given.value("comment").or(given.value("gecos")).unwrap_or_default();
    lines.push([name, "x", &id.to_string(), &group_id.to_string(), comment, &home, shell].map(str::to_owned).to_vec());
    accounts.write(PASSWD, &lines)?;
    if flavour == Flavour::Shadow {
        given.value("groups").into_iter().flat_map(|list| list.split(',')).try_for_each(|group| accounts.join(name, group))?;
    }
    // adduser makes a home unless told not to, useradd only if told to.
    let wanted = match flavour {
        Flavour::Add => !given.has("no-create-home") && (!given.has("system") || given.has("home")),
        Flavour::Shadow => given.has("create-home"),
    };
    if wanted {
        make_home(&accounts.root.join(home.trim_start_matches('/')), id, group_id)?;
    }
    Ok(0)
}

fn make_home(path: &Path, user: u32, group: u32) -> Result<(), Failure> {
    std::fs::create_dir_all(path)?;
    Ok(crate::kernel::inode::give(path, (user, group))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> (tempfile::TempDir, Accounts) {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("etc")).unwrap();
        std::fs::write(place.path().join(PASSWD), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
        std::fs::write(place.path().join(GROUPS), "root:x:0:\n").unwrap();
        let accounts = Accounts::new(place.path());
        (place, accounts)
    }

    fn given(line: &str, known: &[Known]) -> Given {
        options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>(), known, false).unwrap()
    }

    #[test]
    fn the_lines_of_dockerfiles_make_users() {
        let (_place, accounts) = accounts();
        // The CentOS user of the course's Dockerfile.
        add_group(&accounts, &given("--gid 1000 node", GROUP)).unwrap();
        add_user(&accounts, Flavour::Shadow, &given("--uid 1000 --gid node --shell /bin/bash node", USER)).unwrap();
        // Alpine's way.
        add_group(&accounts, &given("-S app", GROUP)).unwrap();
        add_user(&accounts, Flavour::Add, &given("-S -D -H -G app app", USER)).unwrap();
        // Debian's.
        add_user(&accounts, Flavour::Shadow, &given("-r -G node worker", USER)).unwrap();
        let text = |file| std::fs::read_to_string(accounts.root.join(file)).unwrap();
        assert_eq!(
            text(PASSWD),
            "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/bash\napp:x:101:100::/home/app:/sbin/nologin\n\
             worker:x:102:102::/home/worker:/sbin/nologin\n"
        );
        assert_eq!(text(GROUPS), "root:x:0:\nnode:x:1000:worker\napp:x:100:\nworker:x:102:\n");
    }

    #[test]
    fn mistakes_change_nothing() {
        let (_place, accounts) = accounts();
        assert_eq!(add_user(&accounts, Flavour::Shadow, &given("root", USER)).unwrap_err().code, 9);
        assert_eq!(add_user(&accounts, Flavour::Shadow, &given("-g none someone", USER)).unwrap_err().code, 6);
        assert_eq!(add_group(&accounts, &given("", GROUP)).unwrap_err().code, 2);
        assert_eq!(std::fs::read_to_string(accounts.root.join(PASSWD)).unwrap(), "root:x:0:0:root:/root:/bin/sh\n");
    }
}
