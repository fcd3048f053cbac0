//! What the catalog knows about an image before it is made.

use super::plan::Plan;
use crate::oci::image::spec::Platform;
use crate::oci::reference::Reference;

/// How much a course image is what its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fidelity {
    /// The real program, taken from this machine: BusyBox is BusyBox, bash is bash.
    Real,
    /// Another program that behaves at its surface as the real one does.
    StandIn,
    /// A program of the course, written after the description of the one that the course used.
    Sample,
    /// Not made here: `bottleship images build` builds it from packages.
    Built,
}

impl Fidelity {
    /// The word for lists and labels.
    pub fn name(self) -> &'static str {
        match self {
            Fidelity::Real => "real",
            Fidelity::StandIn => "stand-in",
            Fidelity::Sample => "sample",
            Fidelity::Built => "built",
        }
    }
}

/// One repository of the catalog.
#[derive(Debug)]
pub struct Recipe {
    /// The name as people type it, without a tag: `alpine`, `bretfisher/httpenv`.
    pub name: &'static str,
    /// The tags that there are.
    pub tags: &'static [&'static str],
    /// How faithful it is.
    pub fidelity: Fidelity,
    /// What it is made of, and what differs from the image that it stands for. One sentence or two, for the label and the book.
    pub about: &'static str,
    /// What it is, instruction by instruction.
    pub plan: fn(tag: &str, platform: &Platform) -> Plan,
    /// The platforms that it is made for, where it holds nothing of this machine; empty: this machine's alone.
    pub platforms: &'static [&'static str],
}

impl Recipe {
    /// A recipe of an image for this machine.
    pub const fn new(
        name: &'static str,
        tags: &'static [&'static str],
        fidelity: Fidelity,
        about: &'static str,
        plan: fn(&str, &Platform) -> Plan,
    ) -> Self {
        Recipe { name, tags, fidelity, about, plan, platforms: &[] }
    }

    /// The complete name, without a tag.
    pub fn repository(&self) -> Option<Reference> {
        self.name.parse().ok()
    }

    /// The platforms that it is made for.
    pub fn platforms(&self) -> Vec<Platform> {
        if self.platforms.is_empty() {
            return vec![Platform::here()];
        }
        self.platforms.iter().filter_map(|text| Platform::read(text)).collect()
    }
}
