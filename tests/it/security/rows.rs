//! The table of known attacks: each has a test, or a reason why it cannot have one.

/// What stands for a row.
enum Proof {
    /// These tests.
    Tests(&'static [&'static str]),
    /// A unit test in this file of the sources.
    Unit(&'static str, &'static str),
    /// Nothing that runs, because.
    Cannot(&'static str),
}
use Proof::{Cannot, Tests, Unit};

const ROWS: &[(&str, Proof)] = &[
    ("CVE-2019-5736", Tests(&["cve_2019_5736_an_entrypoint_that_is_the_runtime", "cve_2019_5736_a_container_that_overwrites_who_enters"])),
    ("CVE-2016-9962", Tests(&["cve_2016_9962_no_descriptor_of_the_machine_while_entering"])),
    (
        "CVE-2024-21626",
        Tests(&["cve_2024_21626_a_working_directory_below_a_leaked_descriptor", "cve_2024_21626_exec_into_a_leaked_descriptor"]),
    ),
    ("CVE-2019-19921, CVE-2025-54867", Tests(&["cve_2019_19921_proc_and_sys_must_be_ordinary_directories"])),
    ("CVE-2023-27561, CVE-2023-28642", Tests(&["cve_2023_27561_a_folder_mounted_over_proc"])),
    ("CVE-2019-16884, CVE-2025-52881, CVE-2025-65105, CVE-2025-62596", Tests(&["cve_2025_52881_a_sysctl_that_lands_elsewhere"])),
    ("CVE-2025-31133, CVE-2025-62161", Tests(&["cve_2025_31133_a_mask_that_is_a_link"])),
    ("CVE-2025-52565", Tests(&["cve_2025_52565_a_console_that_is_swapped"])),
    ("CVE-2026-41579, CVE-2026-47766", Tests(&["cve_2026_41579_dev_is_a_link_to_the_machine"])),
    ("CVE-2021-30465, CVE-2024-45310", Tests(&["cve_2021_30465_and_cve_2024_45310_a_mount_point_that_is_swapped"])),
    ("CVE-2022-29162, CVE-2022-27650, CVE-2022-24769", Tests(&["cve_2022_29162_no_inheritable_capabilities"])),
    ("CVE-2023-25809", Tests(&["cve_2023_25809_the_machines_cgroups_cannot_be_written"])),
    ("CVE-2021-43784", Unit("src/kernel/netlink.rs", "cve_2021_43784_an_attribute_that_is_too_long_is_refused_and_not_cut")),
    ("CVE-2026-30892", Tests(&["cve_2026_30892_users_are_read_exactly"])),
    ("CVE-2019-18837", Tests(&["cve_2019_18837_a_mount_point_behind_a_link"])),
    ("CVE-2022-0185, CVE-2022-0492", Tests(&["cve_2022_0185_and_cve_2022_0492_new_namespaces_and_mounts_are_refused"])),
    (
        "CVE-2022-0847 (Dirty Pipe), CVE-2016-5195 (Dirty COW)",
        Cannot(
            "faults of the kernel: whoever may read a file could write its cached pages. A runtime can only keep what is worth writing to out of reach",
        ),
    ),
    ("CVE-2017-16539 and the list of masked paths", Tests(&["cve_2017_16539_masked_paths_are_masked"])),
    (
        "TIOCSTI, a shared terminal",
        Tests(&["tiocsti_the_terminal_outside_is_not_inherited", "tiocsti_no_controlling_terminal_without_one_of_its_own"]),
    ),
    ("reuse of process numbers", Tests(&["pid_reuse_a_recycled_number_is_not_killed"])),
    (
        "fork bombs and memory during the start",
        Tests(&[
            "a_fork_bomb_ends_at_the_limit_of_the_container",
            "the_program_is_in_its_cgroup_from_the_start",
            "hooks_of_the_image_are_limited_too",
        ]),
    ),
    ("ids that are paths", Tests(&["ids_that_are_paths_are_refused_everywhere"])),
    ("cgroups that lead upwards (crun's sub-cgroup and delegate-cgroup)", Tests(&["cgroup_paths_that_lead_upwards_are_refused"])),
    ("rule: one handle for all paths below a root", Unit("src/kernel/root.rs", "a_link_to_the_outside_stays_inside")),
    (
        "rule: one procfs, proved to be one, for every write",
        Tests(&["cve_2025_52881_a_sysctl_that_lands_elsewhere", "cve_2019_19921_proc_and_sys_must_be_ordinary_directories"]),
    ),
    ("rule: the program in a container is sealed", Tests(&["cve_2019_5736_a_container_that_overwrites_who_enters"])),
    (
        "rule: devices and terminals by descriptor",
        Tests(&["cve_2025_31133_a_mask_that_is_a_link", "cve_2025_52565_a_console_that_is_swapped"]),
    ),
    ("rule: no name service is loaded into the program", Tests(&["rule_no_name_service"])),
    ("rule: no TCP and no abstract socket by default, CVE-2020-15257", Tests(&["rule_no_tcp_by_default"])),
    ("a learner who is root: settings, sysrq, core_pattern", Tests(&["no_setting_of_the_machine_can_be_written_from_inside"])),
    ("a learner who is root: files of the machine", Tests(&["no_way_leads_to_a_file_of_the_machine"])),
    ("a learner who is root: devices", Tests(&["devices_and_disks_of_the_machine_are_out_of_reach"])),
    ("a learner who is root: a fork bomb", Tests(&["a_fork_bomb_ends_at_the_ceiling_of_the_bottle"])),
    (
        "a learner who is root: a memory hog",
        Tests(&["a_memory_hog_in_a_fence_is_killed_and_the_bottle_has_a_ceiling_below_the_machines_memory"]),
    ),
    ("a learner who is root: kill -9 -1", Tests(&["kill_all_as_root_of_the_bench_ends_only_what_is_in_the_bottle"])),
    (
        "rule: limits while decoding, and one generator of hostile archives",
        Cannot("there are no images yet: their rows are section 5.2 of the list and come with the image store"),
    ),
    ("rule: no program of the machine or the image is executed for the runtime", Tests(&["rule_no_external_programs"])),
    ("rule: every descriptor is closed", Tests(&["cve_2024_21626_a_working_directory_below_a_leaked_descriptor"])),
    ("rule: device nodes are out of reach", Tests(&["devices_of_the_machine_are_out_of_reach"])),
];

const SOURCES: &[&str] = &[
    include_str!("exe.rs"),
    include_str!("limits.rs"),
    include_str!("names.rs"),
    include_str!("paths.rs"),
    include_str!("processes.rs"),
    include_str!("rights_inside.rs"),
    include_str!("terminal.rs"),
    include_str!("../bottle.rs"),
    include_str!("../bottle/escape.rs"),
];

/// No row without its test; what cannot be proved is said on every run.
#[test]
fn every_known_attack_has_a_test_or_a_reason() {
    for (row, proof) in ROWS {
        match proof {
            Tests(names) => {
                for name in *names {
                    let text = format!("#[test]\nfn {name}()");
                    assert!(SOURCES.iter().any(|source| source.contains(&text)), "{row}: no test {name}");
                }
            }
            Unit(file, name) => {
                let source = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
                assert!(source.contains(&format!("fn {name}()")), "{row}: no unit test {name} in {file}");
            }
            Cannot(why) => println!("{row}: not proved: {why}"),
        }
    }
}
