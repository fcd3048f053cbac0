//! The applications of several containers.

use super::fleet::Fleet;

#[test]
fn dockercoins_are_mined() {
    let Some(mut fleet) = Fleet::new("course_images::dockercoins_are_mined") else { return };
    fleet.ship("redis", "redis", &[], &[]);
    for part in ["rng", "hasher", "worker", "webui"] {
        fleet.ship(part, &format!("dockercoins/{part}:v0.1"), &[], &[]);
    }
    let told = fleet.tell(
        "for name in redis rng hasher worker webui; do up $name; done
         has 'RNG running on rng' curl http://rng/; has HASHER curl http://hasher/
         echo bytes: $(curl http://rng/32 | wc -c)
         printf abc > text; curl -X POST -H 'Content-Type: application/octet-stream' -d @text http://hasher/; echo
         # The worker counts what it did at least a second later; no look is too early.
         hashes() { curl http://webui/json | sed -n 's/.*\"hashes\":\\([0-9]*\\).*/\\1/p'; }
         until [ \"$(hashes)\" -gt 0 ] 2> /dev/null; do :; done; first=$(hashes)
         until [ \"$(hashes)\" -gt \"$first\" ]; do :; done; echo counted
         curl http://webui/json; echo; curl -o /dev/null -w '%{http_code}\\n' http://webui/; has '<html' curl http://webui/index.html
         oci exec redis redis-cli hlen wallet
         for name in worker webui rng hasher; do down $name KILL; done; cat worker.log",
    );
    for words in [
        "bytes: 32\n",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "counted\n",
        "\"coins\":",
        "302\n",
        "units of work done",
    ] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
}

#[test]
fn votes_are_counted() {
    let Some(mut fleet) = Fleet::new("course_images::votes_are_counted") else { return };
    fleet.ship("redis", "redis:alpine", &[], &[]);
    let labels = fleet.ship("result", "bretfisher/examplevotingapp_result", &[], &[])["config"]["Labels"].to_string();
    assert!(labels.contains("reads redis where the original reads PostgreSQL"), "it says what it is: {labels}");
    fleet.ship("vote", "bretfisher/examplevotingapp_vote", &[], &["OPTION_A=Sails"]);
    fleet.ship("worker", "bretfisher/examplevotingapp_worker:java", &[], &[]);
    fleet.ship("visualizer", "dockersamples/visualizer", &[], &[]);
    let told = fleet.tell(
        "for name in redis vote worker result visualizer; do up $name; done
         has 'Sails vs Dogs' curl http://vote/
         for voter in aa bb cc; do curl -o /dev/null -b voter_id=$voter -d vote=a http://vote/; done
         curl -b voter_id=cc -d vote=b http://vote/ | grep -o 'your vote'
         has '\"a\":2,\"b\":1' curl http://result/json; curl http://result/ | grep votes
         curl -d vote=z -o /dev/null -w 'nothing: %{http_code}\\n' http://vote/; curl http://result/json; echo
         # It has no engine here and says so.
         curl -w ' %{http_code}\\n' http://visualizer:8080/json; has Visualizer curl http://visualizer:8080/
         down vote; cat worker.log vote.log",
    );
    for words in [
        "your vote\n",
        "3 votes",
        "nothing: 200\n{\"a\":2,\"b\":1}\n",
        "/var/run/docker.sock",
        "502",
        "Processing vote for 'b' by 'cc'",
        "\"POST / HTTP/1.1\" 200",
    ] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
}

#[test]
fn fibonacci_is_computed_by_several() {
    let Some(mut fleet) = Fleet::new("course_images::fibonacci_is_computed_by_several") else { return };
    fleet.ship("redis", "redis", &[], &[]);
    for part in ["client", "server", "worker"] {
        fleet.ship(part, &format!("stephengrider/multi-{part}"), &[], &[]);
    }
    let told = fleet.tell(
        "for name in redis server worker client; do up $name; done
         has 'Fib Calculator' curl http://client:3000/; has Hi curl http://client:3000/api/
         has '{}' curl http://client:3000/api/values/current
         # A worker that has not subscribed yet hears nothing, as the original: asked until it was heard.
         until curl http://client:3000/api/values/current | grep -qF '\"7\":\"21\"'; do curl -o /dev/null -d '{\"index\":\"7\"}' http://client:3000/api/values; done
         curl http://server:5000/values/all; echo
         curl -w ' %{http_code}\\n' -d '{\"index\":\"41\"}' http://server:5000/values
         for name in client server worker; do down $name KILL; done",
    );
    assert!(told.contains("{\"number\":7}") && told.contains("Index too high\n 422"), "{told}");
}
