//! The table of known attacks: each has a test, or a reason why it cannot have one.

/// What stands for a row.
enum Proof {
    /// These tests.
    Tests(&'static [&'static str]),
    /// A unit test in this file of the sources.
    Unit(&'static str, &'static str),
    /// These tests, and these unit tests by their files.
    Both(&'static [&'static str], &'static [(&'static str, &'static str)]),
    /// Nothing that runs, because.
    Cannot(&'static str),
}
use Proof::{Both, Cannot, Tests, Unit};

/// Where the unit tests with hostile archives are.
const HOSTILE: &str = "src/oci/image/tests/hostile.rs";

const ROWS: &[(&str, Proof)] = &[
    (
        "CVE-2019-5736",
        Tests(&[
            "cve_2019_5736_an_entrypoint_that_is_the_runtime",
            "cve_2019_5736_a_container_that_overwrites_who_enters",
            "cve_2019_5736_a_copy_in_memory_where_there_can_be_no_overlay",
        ]),
    ),
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
        Both(
            &[],
            &[
                ("src/oci/image/tests/layers.rs", "a_bomb_is_stopped_while_it_unpacks"),
                (HOSTILE, "too_many_entries_and_too_many_bytes_end_early"),
            ],
        ),
    ),
    ("rule: no program of the machine or the image is executed for the runtime", Tests(&["rule_no_external_programs"])),
    ("rule: every descriptor is closed", Tests(&["cve_2024_21626_a_working_directory_below_a_leaked_descriptor"])),
    ("rule: device nodes are out of reach", Tests(&["devices_of_the_machine_are_out_of_reach"])),
    // Images: pull, unpack, store.
    (
        "CVE-2014-6407, CVE-2014-9356, CVE-2014-9357, and all paths that lead out of an archive",
        Both(
            &["a_hostile_archive_stays_inside"],
            &[
                (HOSTILE, "cve_2014_9356_names_that_lead_out_are_refused"),
                (HOSTILE, "cve_2014_9357_a_link_and_then_a_file_through_it"),
                (HOSTILE, "absolute_names_land_inside"),
                (HOSTILE, "a_link_in_the_last_place_is_replaced_and_not_written_through"),
                (HOSTILE, "a_folder_that_becomes_a_link_in_the_middle"),
                (HOSTILE, "links_planted_by_an_earlier_layer"),
                (HOSTILE, "devices_are_left_out_and_fifos_are_not_waited_for"),
                (HOSTILE, "names_with_a_nul_or_too_long_are_refused"),
                (HOSTILE, "set_user_id_stays_and_the_umask_does_not_matter"),
                ("src/oci/image/archive.rs", "names_are_cleaned_and_cannot_leave"),
            ],
        ),
    ),
    (
        "whiteouts that remove what is outside, marks of overlayfs from a tar",
        Both(
            &[],
            &[
                (HOSTILE, "whiteouts_that_would_hide_too_much"),
                (HOSTILE, "marks_of_overlayfs_cannot_be_brought_along"),
                (HOSTILE, "links_planted_by_an_earlier_layer"),
            ],
        ),
    ),
    ("CVE-2025-62518", Unit(HOSTILE, "cve_2025_62518_a_size_in_two_places_means_one_archive")),
    ("malformed pax records and GNU names (astral-tokio-tar)", Unit(HOSTILE, "broken_pax_records_are_errors_and_not_passed_over")),
    (
        "CVE-2026-50163, CVE-2026-42574",
        Both(&[], &[(HOSTILE, "cve_2026_50163_hard_links_to_the_outside"), (HOSTILE, "where_it_is_called_from_does_not_matter")]),
    ),
    ("CVE-2021-32760", Unit(HOSTILE, "cve_2021_32760_a_mode_is_not_set_through_a_hard_link")),
    (
        "CVE-2017-14992 and bombs",
        Both(
            &["a_manifest_longer_than_four_mebibytes", "indexes_without_end"],
            &[
                ("src/oci/image/tests/layers.rs", "a_bomb_is_stopped_while_it_unpacks"),
                (HOSTILE, "too_many_entries_and_too_many_bytes_end_early"),
                ("src/oci/image/sparse.rs", "maps_that_lie_are_refused"),
                ("src/oci/image/archive.rs", "a_name_of_a_gigabyte_is_not_collected"),
                (HOSTILE, "cve_2017_14992_documents_that_are_nested_too_deep_are_refused"),
            ],
        ),
    ),
    (
        "CVE-2014-9358, CVE-2014-8178, CVE-2024-3727",
        Both(
            &[
                "a_layer_of_other_content_or_length",
                "another_manifest_than_the_digest_that_was_asked_for",
                "content_that_is_not_its_digest_is_refused_and_forgotten",
            ],
            &[
                ("src/oci/digest.rs", "what_could_be_a_path_or_is_too_short_is_no_digest"),
                ("src/oci/image/blobs.rs", "lies_about_length_and_content_are_found"),
                ("src/oci/image/tests/layers.rs", "a_layer_that_is_not_what_the_configuration_says_leaves_nothing"),
            ],
        ),
    ),
    (
        "CVE-2021-41190",
        Both(&["a_manifest_that_is_a_page_or_nothing"], &[("src/oci/image/spec.rs", "a_text_that_could_be_read_in_two_ways_is_refused")]),
    ),
    (
        "CVE-2022-23648, CVE-2026-53488, CVE-2026-53492",
        Tests(&["cve_2022_23648_volumes_of_an_image_do_not_show_the_machine", "cve_2026_53488_labels_of_an_image_steer_nothing"]),
    ),
    ("CVE-2026-50195", Tests(&["cve_2026_50195_a_load_tells_whose_name_it_takes"])),
    (
        "CVE-2014-5277, passwords for strangers",
        Tests(&[
            "a_redirect_to_another_host_does_not_get_the_password",
            "a_token_service_without_tls_gets_no_password",
            "redirects_in_a_circle_or_to_files",
        ]),
    ),
    (
        "CVE-2023-2253 and what else a registry is asked for",
        Tests(&[
            "cve_2023_2253_a_huge_page_costs_nothing_and_a_name_is_looked_at_first",
            "a_blob_is_mounted_from_another_repository",
            "push_in_one_piece_in_two_requests_and_in_chunks",
        ]),
    ),
    (
        "CVE-2021-41091, CVE-2021-41103, CVE-2024-25621",
        Unit("src/oci/image/store.rs", "strangers_cannot_enter_and_a_strange_version_is_refused"),
    ),
    // Builds.
    ("COPY and ADD that lead out", Tests(&["a_context_cannot_reach_out", "a_base_cannot_lead_a_copy_out"])),
    (
        "ADD of archives, addresses and repositories of Git",
        Tests(&["a_hostile_archive_stays_inside", "add_fetches_files_and_compares_them"]),
    ),
    ("CVE-2024-1753", Tests(&["a_base_cannot_lead_a_copy_out"])),
    ("CVE-2024-9407, CVE-2024-11218", Tests(&["cve_2024_9407_mounts_are_read_only_and_take_known_options_alone"])),
    ("CVE-2024-23651", Tests(&["cve_2024_23651_a_folder_of_a_cache_that_becomes_a_link"])),
    ("CVE-2024-23652", Tests(&["a_step_cannot_have_what_it_left_at_a_mount_point_removed"])),
    ("CVE-2024-23653, CVE-2026-33747, GHSA-7236-3392-c5c6", Tests(&["cve_2024_23653_no_step_gets_more_rights_and_no_frontend_is_fetched"])),
    ("CVE-2024-23650", Tests(&["cve_2024_23650_broken_requests_do_not_end_the_engine"])),
    ("CVE-2024-24557", Tests(&["cve_2024_24557_every_instruction_counts_in_the_cache", "a_miss_names_the_file_the_line_or_the_argument"])),
    (
        "secrets of a build in layers, history and logs",
        Tests(&["a_secret_is_nowhere_but_in_its_step", "a_secret_of_a_build_is_in_no_address_and_in_no_layer"]),
    ),
    ("CVE-2026-41567", Tests(&["cve_2026_41567_no_program_decompresses_for_us"])),
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
    include_str!("../build.rs"),
    include_str!("../build/cached.rs"),
    include_str!("../build/hostile.rs"),
    include_str!("../client/lies.rs"),
    include_str!("../docker.rs"),
    include_str!("../engine/hostile.rs"),
    include_str!("../images.rs"),
    include_str!("../registry.rs"),
];

fn is_test(row: &str, name: &str) {
    let text = format!("#[test]\nfn {name}()");
    assert!(SOURCES.iter().any(|source| source.contains(&text)), "{row}: no test {name}");
}

fn is_unit(row: &str, file: &str, name: &str) {
    let source = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    assert!(source.contains(&format!("fn {name}()")), "{row}: no unit test {name} in {file}");
}

/// No row without its test; what cannot be proved is said on every run.
#[test]
fn every_known_attack_has_a_test_or_a_reason() {
    for (row, proof) in ROWS {
        match proof {
            Tests(names) => names.iter().for_each(|name| is_test(row, name)),
            Unit(file, name) => is_unit(row, file, name),
            Both(names, units) => {
                names.iter().for_each(|name| is_test(row, name));
                units.iter().for_each(|(file, name)| is_unit(row, file, name));
            }
            Cannot(why) => println!("{row}: not proved: {why}"),
        }
    }
}
