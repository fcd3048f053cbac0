//! Commands about services of a swarm, as far as they say something of their own while the engine is in none.

use super::Session;
use super::api::Ask;
use super::failure::{Failure, Result, each};
use super::images::in_path;
use super::line::Given;
use super::verb::{Kind, Takes, VERB, Verb, short};

/// Its commands.
pub const VERBS: &[Verb] = &[Verb {
    path: "service scale",
    usage: "SERVICE=REPLICAS [SERVICE=REPLICAS...]",
    about: "Say of how many tasks a service is to consist",
    takes: Takes::AtLeast(1),
    flags: &[short('d', "detach", Kind::Switch, "Accepted; there is nothing to wait for without a swarm")],
    run: scale,
    ..VERB
}];

/// All words are read before anything is asked for.
fn scale(session: &Session, given: &Given) -> Result {
    for word in &given.words {
        if word.split_once('=').is_none_or(|(name, count)| name.is_empty() || count.is_empty()) {
            return Err(Failure::new(format!(
                "invalid scale specifier '{word}'.\nSee 'docker service scale --help'.\n\nUsage:  docker service scale {}\n\n{}",
                VERBS[0].usage, VERBS[0].about
            )));
        }
    }
    each(&given.words, |word| {
        let (name, count) = word.split_once('=').unwrap_or((word, ""));
        if count.parse::<u64>().is_err() {
            let why = format!("strconv.ParseUint: parsing {count:?}: invalid syntax");
            return Err(Failure::new(format!("{name}: invalid replicas value {count}: {why}")));
        }
        // The engine says that it is no manager; one that is a manager gets no orders from this client yet.
        let asked = session.api()?.ask(Ask::get(&format!("/services/{}", in_path(name))));
        let refused = asked
            .err()
            .unwrap_or_else(|| Failure::new("`docker service scale` is not here: Swarm is not in this version of Bottleship yet"));
        Err(Failure { message: format!("{name}: {}", refused.message), ..refused })
    })
}
