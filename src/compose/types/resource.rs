//! What services share: networks, volumes, secrets, configs, models.

use super::Mapping;
use super::part::part;

part! {
    /// A network of the project.
    pub struct Network {
        /// Its name in the engine.
        "name" name: String,
        "driver" driver: String,
        "driver_opts" driver_opts: Mapping,
        "ipam" ipam: Ipam,
        /// It must be there already; Compose neither makes nor removes it.
        "external" external: bool,
        "internal" internal: bool,
        "attachable" attachable: bool,
        "labels" labels: Mapping,
        "enable_ipv4" enable_ipv4: Option<bool>,
        "enable_ipv6" enable_ipv6: Option<bool>,
    } + extensions

    /// How addresses are given out.
    pub struct Ipam {
        "driver" driver: String,
        "config" config: Vec<IpamPool>,
        "options" options: Mapping,
    } + extensions

    /// A range of addresses.
    pub struct IpamPool {
        "subnet" subnet: String,
        "gateway" gateway: String,
        "ip_range" ip_range: String,
        "aux_addresses" aux_addresses: Mapping,
    } + extensions

    /// A volume of the project.
    pub struct Volume {
        /// Its name in the engine.
        "name" name: String,
        "driver" driver: String,
        "driver_opts" driver_opts: Mapping,
        /// It must be there already; Compose neither makes nor removes it.
        "external" external: bool,
        "labels" labels: Mapping,
    } + extensions

    /// A secret or a config: a text from a file, from a variable, or written out.
    pub struct FileObject {
        "name" name: String,
        "file" file: String,
        "environment" environment: String,
        /// A config's text, as written.
        "content" content: String,
        "external" external: bool,
        "labels" labels: Mapping,
        "driver" driver: String,
        "driver_opts" driver_opts: Mapping,
        "template_driver" template_driver: String,
    } + extensions
    unwritten {
        /// The text when it comes from a variable: never printed.
        text: Option<String>,
    }

    /// A language model that services may ask.
    pub struct Model {
        "name" name: String,
        "model" model: String,
        "context_size" context_size: i64,
        "runtime_flags" runtime_flags: Vec<String>,
    } + extensions
}
