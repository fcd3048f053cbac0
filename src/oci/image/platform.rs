//! What an image runs on: an operating system and a processor, in Go's words.

use serde::{Deserialize, Serialize};

/// What an image runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// The processor, in Go's words: `amd64`, `arm64`.
    #[serde(default)]
    pub architecture: String,
    /// The operating system: `linux`.
    #[serde(default)]
    pub os: String,
    /// The variant of the processor: `v7`, `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The version of the operating system (Windows).
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features of the operating system (Windows).
    #[serde(default, rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
}

impl Platform {
    /// This machine's.
    pub fn here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        };
        let variant = (architecture == "arm").then(|| "v7".to_owned());
        Platform { architecture: architecture.to_owned(), os: "linux".to_owned(), variant, ..Platform::default() }
    }

    /// This machine's, with the level of its processor where the architecture has levels: `linux/amd64/v3`.
    pub fn detected() -> Self {
        Platform { variant: level().or(Platform::here().variant), ..Platform::here() }
    }

    /// Whether `machine` runs an image for `self` without a word to anybody: it is for this architecture, or for one that the processor has within it.
    pub fn is_native_to(&self, machine: &Platform) -> bool {
        let number = |platform: &Platform| {
            let variant = platform.variant.as_deref().unwrap_or_default();
            variant.trim_start_matches('v').parse::<u32>().ok()
        };
        let within = match (machine.architecture.as_str(), self.architecture.as_str()) {
            // An image that was imported long ago does not say what it is for.
            ("amd64", "386") | ("arm64", "arm") | (_, "") => true,
            (one, other) if one == other => match (number(self), number(machine)) {
                (Some(wanted), Some(has)) => wanted <= has,
                // What `arm64` means is v8, and what `amd64` means is v1.
                (Some(wanted), None) => machine.architecture != "amd64" || wanted <= 1,
                (None, _) => true,
            },
            _ => false,
        };
        within && (self.os.is_empty() || self.os == machine.os)
    }

    /// Reads `os/architecture[/variant]`, or one word that is either.
    pub fn read(text: &str) -> Option<Self> {
        let here = Platform::here();
        let normal = |architecture: &str| match architecture {
            "x86_64" | "x86-64" => "amd64".to_owned(),
            "aarch64" => "arm64".to_owned(),
            "i386" => "386".to_owned(),
            "armhf" => "arm".to_owned(),
            other => other.to_owned(),
        };
        let mut parts = text.split('/').map(str::to_ascii_lowercase);
        let (first, second, variant) = (parts.next()?, parts.next(), parts.next());
        if parts.next().is_some() || first.is_empty() {
            return None;
        }
        Some(match second {
            Some(architecture) => Platform { os: first, architecture: normal(&architecture), variant, ..Platform::default() },
            None if ["linux", "windows", "darwin", "freebsd"].contains(&first.as_str()) => Platform { os: first, ..here },
            None => Platform { architecture: normal(&first), ..here },
        })
    }

    /// Whether an image for `self` runs on `machine`. A missing variant fits all (`v8` is what `arm64` means).
    pub fn runs_on(&self, machine: &Platform) -> bool {
        let variant = |platform: &Platform| platform.variant.clone().filter(|one| !(platform.architecture == "arm64" && one == "v8"));
        let (own, others) = (variant(self), variant(machine));
        self.os == machine.os && self.architecture == machine.architecture && (own.is_none() || others.is_none() || own == others)
    }
}

/// The level of the x86-64 psABI that the processor has, from the second on.
#[cfg(target_arch = "x86_64")]
fn level() -> Option<String> {
    macro_rules! all {
        ($($feature:tt)*) => { $(is_x86_feature_detected!($feature))&&* };
    }
    let levels = [
        all!("sse3" "ssse3" "sse4.1" "sse4.2" "popcnt" "cmpxchg16b"),
        all!("avx" "avx2" "bmi1" "bmi2" "f16c" "fma" "lzcnt" "movbe"),
        all!("avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl"),
    ];
    let reached = levels.iter().take_while(|has| **has).count();
    (reached > 0).then(|| format!("v{}", reached + 1))
}

#[cfg(not(target_arch = "x86_64"))]
fn level() -> Option<String> {
    None
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_native_to_processors_of_its_architecture_and_level() {
        let native = |image: &str, machine: &str| Platform::read(image).unwrap().is_native_to(&Platform::read(machine).unwrap());
        for image in ["linux/amd64", "linux/amd64/v1", "linux/amd64/v3", "linux/386"] {
            assert!(native(image, "linux/amd64/v3"), "{image}");
        }
        for image in ["linux/amd64/v4", "linux/arm64", "linux/arm/v7", "windows/amd64", "linux/s390x"] {
            assert!(!native(image, "linux/amd64/v3"), "{image}");
        }
        assert!(!native("linux/amd64/v2", "linux/amd64"), "a processor without a level has the first");
        assert!(native("linux/arm64/v8", "linux/arm64") && native("linux/arm/v7", "linux/arm64/v8"));
        assert!(Platform::default().is_native_to(&Platform::here()));
        let here = Platform::detected();
        assert_eq!((here.architecture.as_str(), here.os.as_str()), (Platform::here().architecture.as_str(), "linux"));
        assert!(Platform::here().is_native_to(&here));
    }
}
