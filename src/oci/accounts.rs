//! Users and groups of an image: names to numbers, by its own `/etc/passwd` and `/etc/group`.

use std::path::Path;

use super::runtime::{Error, Result};
use crate::kernel::ids;
use crate::kernel::root::Root;

/// Who a program runs as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Other groups.
    pub groups: Vec<u32>,
}

impl Account {
    /// The groups to be set with setgroups(2): the own one too, or a file that the group is denied could be had through a program that gives up its
    /// group (CVE-2022-36109). None where a user namespace has no setgroups(2).
    pub fn supplementary(&self) -> Vec<u32> {
        if ids::single() {
            return Vec::new();
        }
        let others = self.groups.iter().copied().filter(|group| *group != self.gid);
        std::iter::once(self.gid).chain(others).collect()
    }
}

/// The lines of a file of colons; none if it is not there.
fn lines(root: &Root, file: &str) -> Vec<Vec<String>> {
    let text = root.read(Path::new(file)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}

fn number(fields: &[String], at: usize) -> Option<u32> {
    fields.get(at)?.parse().ok()
}

fn group(root: &Root, text: &str) -> Result<u32> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let found = lines(root, "/etc/group").iter().find(|fields| fields[0] == text).and_then(|fields| number(fields, 2));
    found.ok_or_else(|| {
        Error::new(format!("unable to find group {text}: no matching entries in group file"))
            .hint("make the group in the image first (addgroup or groupadd), or use its number")
    })
}

fn user(root: &Root, text: &str) -> Result<(u32, Option<u32>, Option<String>)> {
    let passwd = lines(root, "/etc/passwd");
    let wanted = text.parse::<u32>().ok();
    let found = passwd.iter().find(|fields| fields[0] == text || (wanted.is_some() && number(fields, 2) == wanted));
    match (found, wanted) {
        (Some(fields), _) => Ok((number(fields, 2).unwrap_or(0), number(fields, 3), Some(fields[0].clone()))),
        (None, Some(uid)) => Ok((uid, None, None)),
        (None, None) => Err(Error::new(format!("unable to find user {text}: no matching entries in passwd file"))
            .hint("make the user in the image first (adduser or useradd), or use its number")),
    }
}

/// `USER`: `name`, `uid`, `name:group`, `uid:gid`; nothing is root.
///
/// # Errors
/// A name is not in the image's files.
pub fn run_as(root: &Root, text: &str) -> Result<Account> {
    let (name, of) = text.split_once(':').map_or((text, None), |(name, of)| (name, Some(of)));
    let (uid, own, known) = user(root, if name.is_empty() { "0" } else { name })?;
    let gid = of.map(|of| group(root, of)).transpose()?;
    let mut groups = Vec::new();
    // Whoever names a group gets that one alone.
    if let Some(known) = known.filter(|_| gid.is_none()) {
        let member = |fields: &&Vec<String>| fields.get(3).is_some_and(|members| members.split(',').any(|member| member == known));
        groups = lines(root, "/etc/group").iter().filter(member).filter_map(|fields| number(fields, 2)).collect();
    }
    Ok(Account { uid, gid: gid.or(own).unwrap_or(0), groups })
}

/// `--chown`: as `USER`, but a number alone is also the group's.
///
/// # Errors
/// A name is not in the image's files.
pub fn owner(root: &Root, text: &str) -> Result<(u32, u32)> {
    let (name, of) = text.split_once(':').map_or((text, None), |(name, of)| (name, Some(of)));
    let (uid, own) = match name.parse::<u32>() {
        Ok(number) => (number, number),
        Err(_) if name.is_empty() => (0, 0),
        Err(_) => {
            let (uid, gid, _) = user(root, name)?;
            (uid, gid.unwrap_or(uid))
        }
    };
    Ok((uid, of.map_or(Ok(own), |of| group(root, of))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_image() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("etc")).unwrap();
        std::fs::write(place.path().join("etc/passwd"), "root:x:0:0::/:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\nbroken\n").unwrap();
        std::fs::write(place.path().join("etc/group"), "root:x:0:\nnode:x:1001:\nwheel:x:10:root,node\nstaff:x:50:\n").unwrap();
        let root = Root::open(place.path()).unwrap();
        let account = |uid, gid, groups: &[u32]| Account { uid, gid, groups: groups.to_vec() };
        for (text, wanted) in [
            ("", account(0, 0, &[10])),
            ("node", account(1000, 1001, &[10])),
            ("1000", account(1000, 1001, &[10])),
            ("node:staff", account(1000, 50, &[])),
            ("7", account(7, 0, &[])),
            ("7:8", account(7, 8, &[])),
        ] {
            assert_eq!(run_as(&root, text).unwrap(), wanted, "{text}");
        }
        assert_eq!(run_as(&root, "nobody").unwrap_err().what, "unable to find user nobody: no matching entries in passwd file");
        for (text, wanted) in [("node", (1000, 1001)), ("5", (5, 5)), ("5:staff", (5, 50)), ("node:0", (1000, 0)), (":10", (0, 10))] {
            assert_eq!(owner(&root, text).unwrap(), wanted, "{text}");
        }
        assert!(owner(&root, "node:none").is_err());
    }
}
