//! The reconciliation by tables: what there is, what is wanted, and the steps.

use super::*;
use crate::compose::types::{Network, Service, ServiceVolume, Volume};

/// A project on one network of services with what they need.
fn project(services: &[(&str, &[&str])]) -> Project {
    let mut project = Project { name: "x".to_owned(), ..Project::default() };
    project.networks.insert("default".to_owned(), Network { name: "x_default".to_owned(), ..Network::default() });
    for (name, needs) in services {
        let mut service = Service { name: (*name).to_owned(), image: "base:1".to_owned(), ..Service::default() };
        service.networks.insert("default".to_owned(), None);
        for need in *needs {
            service.depends_on.insert((*need).to_owned(), dependency("service_started"));
        }
        project.services.insert((*name).to_owned(), service);
    }
    project
}

fn dependency(condition: &str) -> Dependency {
    let mut dependency = Dependency { condition: condition.to_owned(), ..Dependency::default() };
    dependency.required.0 = true;
    dependency
}

fn wishes(project: &Project) -> Wishes {
    let by_service = |value: &str| project.services.keys().map(|name| (name.clone(), value.to_owned())).collect();
    Wishes {
        start: true,
        separator: '-',
        hashes: by_service("hash"),
        images: by_service("image"),
        networks: [("default".to_owned(), "net".to_owned())].into(),
        known: project.services.keys().cloned().collect(),
        ..Wishes::default()
    }
}

fn container(service: &str, number: u32, state: &str) -> Container {
    let labels = [(label::HASH, "hash"), (label::IMAGE, "image")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    Container {
        id: format!("id-{service}-{number}"),
        name: format!("x-{service}-{number}"),
        service: service.to_owned(),
        number,
        state: state.to_owned(),
        labels: labels.into(),
        networks: ["n1".to_owned()].into(),
        ..Container::default()
    }
}

fn observed(containers: &[Container]) -> Observed {
    let labels = [(label::PROJECT, "x"), (label::HASH, "net")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Observed {
        containers: containers.to_vec(),
        networks: vec![Thing { id: "n1".to_owned(), name: "x_default".to_owned(), labels }],
        volumes: Vec::new(),
    }
}

fn shown(step: &Step) -> String {
    match step {
        Step::Network { key, old } => format!("network {key}{}", if old.is_some() { " anew" } else { "" }),
        Step::Volume(key) => format!("volume {key}"),
        Step::Create(spot) => format!("create {}", spot.name),
        Step::Recreate { spot, .. } => format!("recreate {}", spot.name),
        Step::Stop { name, .. } => format!("stop {name}"),
        Step::Remove { name, .. } => format!("remove {name}"),
        Step::Wait { service, on, dependency } => format!("wait {service} {on} {}", dependency.condition),
        Step::Start(spot) => format!("start {}", spot.name),
        Step::Tell { name, text } => format!("{name} {text}"),
    }
}

/// The steps as text, in an order in which they may be done; each only after those before it.
fn steps(plan: &Plan) -> Vec<String> {
    let (mut done, mut order): (BTreeSet<usize>, Vec<String>) = (BTreeSet::new(), Vec::new());
    while done.len() < plan.steps.len() {
        let next = (0..plan.steps.len()).find(|at| !done.contains(at) && plan.after[*at].iter().all(|one| done.contains(one)));
        let next = next.expect("no circle");
        done.insert(next);
        order.push(shown(&plan.steps[next]));
    }
    order
}

/// Whether one step can only be done after another.
fn comes_after(plan: &Plan, late: &str, early: &str) -> bool {
    let at = |wanted: &str| plan.steps.iter().position(|step| shown(step) == wanted).unwrap_or_else(|| panic!("no step `{wanted}`"));
    let (late, early) = (at(late), at(early));
    let mut left = vec![late];
    let mut seen = BTreeSet::new();
    while let Some(one) = left.pop() {
        if one == early {
            return true;
        }
        if seen.insert(one) {
            left.extend(&plan.after[one]);
        }
    }
    false
}

#[test]
fn from_nothing_all_is_made_and_started_after_what_it_needs() {
    let mut project = project(&[("db", &[]), ("web", &["db"])]);
    project.volumes.insert("data".to_owned(), Volume { name: "x_data".to_owned(), ..Volume::default() });
    let wishes = wishes(&project);
    let plan = up(&project, &Observed::default(), &wishes).unwrap();
    assert_eq!(steps(&plan), ["network default", "volume data", "create x-db-1", "create x-web-1", "start x-db-1", "start x-web-1"]);
    assert!(comes_after(&plan, "start x-web-1", "start x-db-1") && comes_after(&plan, "start x-db-1", "create x-web-1"));
    assert!(!comes_after(&plan, "create x-web-1", "create x-db-1"), "what is only started in order is made at once");
}

#[test]
fn what_runs_and_has_not_changed_stays() {
    let project = project(&[("db", &[]), ("web", &["db"])]);
    let plan = up(&project, &observed(&[container("db", 1, "running"), container("web", 1, "exited")]), &wishes(&project)).unwrap();
    assert_eq!(steps(&plan), ["x-db-1 Running", "start x-web-1"]);
}

#[test]
fn only_what_has_changed_is_made_anew() {
    let project = project(&[("db", &[]), ("web", &["db"])]);
    let there = [container("db", 1, "running"), container("web", 1, "running")];
    type Change<'c> = &'c dyn Fn(&mut Wishes, &mut Vec<Container>);
    let cases: [(&str, Change<'_>, &[&str]); 6] = [
        (
            "hash",
            &|wishes, _| drop(wishes.hashes.insert("web".to_owned(), "other".to_owned())),
            &["x-db-1 Running", "recreate x-web-1", "start x-web-1"],
        ),
        (
            "image",
            &|wishes, _| drop(wishes.images.insert("db".to_owned(), "other".to_owned())),
            &["x-web-1 Running", "recreate x-db-1", "start x-db-1"],
        ),
        ("network", &|_, there| there[1].networks.clear(), &["x-db-1 Running", "recreate x-web-1", "start x-web-1"]),
        (
            "force",
            &|wishes, _| wishes.recreate = Strategy::Force,
            &["recreate x-db-1", "recreate x-web-1", "start x-db-1", "start x-web-1"],
        ),
        (
            "force the named",
            &|wishes, _| {
                wishes.recreate = Strategy::Force;
                wishes.named = vec!["web".to_owned()];
            },
            &["x-db-1 Running", "recreate x-web-1", "start x-web-1"],
        ),
        (
            "never",
            &|wishes, _| {
                wishes.hashes.insert("web".to_owned(), "other".to_owned());
                wishes.recreate = Strategy::Never;
            },
            &["x-db-1 Running", "x-web-1 Running"],
        ),
    ];
    for (case, change, wanted) in cases {
        let (mut wishes, mut there) = (wishes(&project), there.to_vec());
        change(&mut wishes, &mut there);
        let mut found = steps(&up(&project, &observed(&there), &wishes).unwrap());
        let mut wanted: Vec<String> = wanted.iter().map(|one| (*one).to_owned()).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{case}");
    }
}

#[test]
fn who_wants_to_be_restarted_stops_before_and_starts_after() {
    let mut project = project(&[("db", &[]), ("web", &["db"])]);
    if let Some(dependency) = project.services.get_mut("web").and_then(|web| web.depends_on.get_mut("db")) {
        dependency.restart = true;
    }
    let mut wishes = wishes(&project);
    wishes.hashes.insert("db".to_owned(), "other".to_owned());
    let plan = up(&project, &observed(&[container("db", 1, "running"), container("web", 1, "running")]), &wishes).unwrap();
    assert_eq!(steps(&plan), ["stop x-web-1", "recreate x-db-1", "start x-db-1", "start x-web-1"]);
}

#[test]
fn conditions_are_waited_for_between_the_starts() {
    let mut project = project(&[("db", &[]), ("init", &[]), ("web", &[])]);
    if let Some(web) = project.services.get_mut("web") {
        web.depends_on.insert("db".to_owned(), dependency("service_healthy"));
        web.depends_on.insert("init".to_owned(), dependency("service_completed_successfully"));
    }
    let plan = up(&project, &Observed::default(), &wishes(&project)).unwrap();
    for (wait, on) in [("wait web db service_healthy", "start x-db-1"), ("wait web init service_completed_successfully", "start x-init-1")]
    {
        assert!(comes_after(&plan, wait, on) && comes_after(&plan, "start x-web-1", wait), "{wait}");
    }
    // A service that has no containers is not waited for.
    project.services.get_mut("db").unwrap().scale = Some(0);
    let plan = up(&project, &Observed::default(), &wishes(&project)).unwrap();
    assert!(!steps(&plan).iter().any(|step| step.starts_with("wait web db")));
}

#[test]
fn scale_goes_up_with_new_numbers_and_down_from_the_highest() {
    let mut project = project(&[("web", &[])]);
    let mut scaled = |count: i64, there: &[Container], wishes: &dyn Fn(&mut Wishes)| {
        project.services.get_mut("web").unwrap().scale = Some(count);
        let mut own = self::wishes(&project);
        wishes(&mut own);
        steps(&up(&project, &observed(there), &own).unwrap())
    };
    let there = [container("web", 1, "running"), container("web", 3, "running")];
    assert_eq!(scaled(3, &there, &|_| {}), ["x-web-1 Running", "x-web-3 Running", "create x-web-4", "start x-web-4"]);
    assert_eq!(scaled(1, &there, &|_| {}), ["stop x-web-3", "remove x-web-3", "x-web-1 Running"]);
    assert_eq!(scaled(0, &there[..1], &|_| {}), ["stop x-web-1", "remove x-web-1"]);
    // What is no longer what the file says goes before what has a higher number.
    let mut old = there.clone();
    old[0].labels.insert(label::HASH.to_owned(), "old".to_owned());
    assert_eq!(scaled(1, &old, &|_| {}), ["stop x-web-1", "remove x-web-1", "x-web-3 Running"]);
    project.services.get_mut("web").unwrap().scale = Some(2);
    project.services.get_mut("web").unwrap().container_name = "mine".to_owned();
    let refused = up(&project, &Observed::default(), &wishes(&project)).unwrap_err();
    assert!(refused.contains("\"web\" service is using the custom container name \"mine\""), "{refused}");
}

#[test]
fn orphans_go_only_when_somebody_wants_that() {
    let project = project(&[("web", &[])]);
    let mut oneoff = container("web", 0, "exited");
    oneoff.oneoff = true;
    let there = observed(&[container("old", 1, "running"), oneoff, container("web", 1, "running")]);
    let mut own = wishes(&project);
    assert_eq!(orphans(&there, &own.known).iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["x-old-1"]);
    assert_eq!(steps(&up(&project, &there, &own).unwrap()), ["x-web-1 Running"]);
    own.remove_orphans = true;
    assert_eq!(steps(&up(&project, &there, &own).unwrap()), ["x-web-1 Running", "stop x-old-1", "remove x-old-1"]);
}

#[test]
fn a_network_that_has_changed_is_made_anew_with_its_containers() {
    let project = project(&[("web", &[])]);
    let mut own = wishes(&project);
    own.networks.insert("default".to_owned(), "other".to_owned());
    let plan = up(&project, &observed(&[container("web", 1, "running")]), &own).unwrap();
    assert_eq!(steps(&plan), ["stop x-web-1", "network default anew", "recreate x-web-1", "start x-web-1"]);
}

#[test]
fn whoever_lives_in_another_containers_namespaces_goes_with_it() {
    let mut project = project(&[("app", &[]), ("side", &[])]);
    if let Some(side) = project.services.get_mut("side") {
        side.networks.clear();
        side.network_mode = "service:app".to_owned();
    }
    let plan = up(&project, &Observed::default(), &wishes(&project)).unwrap();
    assert!(comes_after(&plan, "create x-side-1", "create x-app-1"));
    let mut own = wishes(&project);
    own.hashes.insert("app".to_owned(), "other".to_owned());
    let plan = up(&project, &observed(&[container("app", 1, "running"), container("side", 1, "running")]), &own).unwrap();
    assert!(comes_after(&plan, "recreate x-side-1", "recreate x-app-1"));
}

#[test]
fn a_volume_that_a_container_lacks_means_a_new_container() {
    let mut project = project(&[("web", &[])]);
    project.volumes.insert("data".to_owned(), Volume { name: "x_data".to_owned(), ..Volume::default() });
    let mount =
        ServiceVolume { kind: "volume".to_owned(), source: "data".to_owned(), target: "/srv".to_owned(), ..ServiceVolume::default() };
    project.services.get_mut("web").unwrap().volumes.push(mount);
    let plan = up(&project, &observed(&[container("web", 1, "running")]), &wishes(&project)).unwrap();
    assert_eq!(steps(&plan), ["volume data", "recreate x-web-1", "start x-web-1"]);
}

#[test]
fn services_that_wait_for_each_other_are_refused() {
    let project = project(&[("a", &["b"]), ("b", &["a"])]);
    assert!(up(&project, &Observed::default(), &wishes(&project)).unwrap_err().starts_with("dependency cycle detected: "));
}
