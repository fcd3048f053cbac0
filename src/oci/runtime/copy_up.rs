//! `tmpcopyup`: a tmpfs that begins with what it hides, so that a read-only image can have a writable `/etc`.

use std::os::fd::BorrowedFd;
use std::path::Path;

use super::error::{During as _, Result};
use crate::kernel::tree;

/// Copies the tree below `from` into `to`, both open directories. Links are copied as links and never followed.
pub fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>, shown: &Path) -> Result<()> {
    tree::copy(from, to).during(|| format!("fill the tmpfs with what `{}` holds", shown.display()))
}
