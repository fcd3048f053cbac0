//! The runtime runs from a sealed view of its executable (CVE-2019-5736): see `kernel::program`.

use std::ffi::{CString, OsString};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;

use crate::kernel::{ids, program};
use crate::oci::runtime::{Error, Result};

/// Goes on from a sealed executable, if this is not one yet. Costs one overlay mount and one execve(2), before anything else was done.
///
/// An ordinary user cannot mount here; the container's root is then a user without power over the file unless the user owns it, and the
/// rights of a user namespace end at the mount.
///
/// # Errors
/// It cannot be sealed, or the seal cannot be executed.
pub fn ensure(arguments: &[OsString]) -> Result<()> {
    if ids::effective().0 != 0 || program::runs_sealed() {
        return Ok(());
    }
    // Where overlayfs cannot stack on this file system a copy in memory does the same, slowly. A runtime that can do neither would hand every
    // container a way to overwrite it, so it does not run.
    let sealed = program::sealed().or_else(|overlay| program::copied().map_err(|copy| unsealed(&overlay, &copy)))?;
    let text = |text: &[u8]| CString::new(text).unwrap_or_default();
    let mut words = vec![text(b"bottleship"), text(b"oci")];
    words.extend(arguments.iter().map(|argument| text(argument.as_bytes())));
    let environment: Vec<CString> =
        std::env::vars_os().map(|(name, value)| text(&[name.as_bytes(), b"=", value.as_bytes()].concat())).collect();
    Err(program::exec_handle(sealed.as_fd(), &words, &environment).into())
}

fn unsealed(overlay: &crate::kernel::Error, copy: &crate::kernel::Error) -> Error {
    let mut error = Error::new("protect this program from the containers that it starts (CVE-2019-5736)");
    error.causes = vec![format!("by an overlay: {overlay}"), format!("by a copy in memory: {copy}")];
    error.hint("containers may be started by root only where one of both works: see `sysctl vm.memfd_noexec` and the free memory")
}
