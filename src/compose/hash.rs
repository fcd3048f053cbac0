//! The configuration hash of a service: when it differs from that of a container, the container is made anew.

use sha2::{Digest, Sha256};

use super::types::{Deploy, Form, Part, Service};

/// SHA-256 over the service as JSON, without what changes nothing in a container: how many there are, how the image is built and pulled,
/// what it depends on, which profiles it has.
pub fn service(service: &Service) -> String {
    let mut bare = service.clone();
    (bare.build, bare.scale) = (None, None);
    bare.pull_policy.clear();
    bare.depends_on.clear();
    bare.profiles.clear();
    bare.deploy.get_or_insert_with(Deploy::default).replicas = None;
    let digest = Sha256::digest(bare.value(Form::Json).to_string().as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
