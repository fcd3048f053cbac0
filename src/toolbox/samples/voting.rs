//! The example voting app: vote takes votes and puts them into a list in Redis, worker takes them out and keeps the last one of each voter, result shows the sum.
//!
//! The original keeps the votes in PostgreSQL. These samples keep them in a hash (`ballots`) of the same Redis, so that the application needs no database
//! that is not there: `db` of its Compose file is not asked.

use std::io::Write;
use std::sync::Arc;

use super::{Flask, Manner, hostname, serve};
use crate::toolbox::failure::{Failure, reason};
use crate::toolbox::http::{Request, Response};
use crate::toolbox::redis::client::Client;
use crate::toolbox::redis::{number_of, text_of};

/// What can be voted for; the environment may say something else.
fn options() -> (String, String) {
    let one = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    (one("OPTION_A", "Cats"), one("OPTION_B", "Dogs"))
}

/// `vote`: the page with the two buttons, on port 80.
pub fn vote(_args: &[String], _out: &mut dyn Write) -> Result<u8, Failure> {
    eprintln!("[INFO] Listening at: http://0.0.0.0:80");
    serve(80, Manner::Ends(0), Arc::new(Flask(voted)))
}

fn voted(request: &Request) -> Response {
    let known = request.cookie("voter_id").filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit())).map(str::to_owned);
    let voter = known.unwrap_or_else(|| crate::kernel::random::bytes::<8>().iter().map(|byte| format!("{byte:02x}")).collect());
    let choice = (request.method == "POST").then(|| request.form("vote")).flatten().filter(|vote| ["a", "b"].contains(&vote.as_str()));
    if let Some(choice) = &choice {
        eprintln!("Received vote for {choice}");
        let vote = serde_json::json!({"voter_id": voter, "vote": choice}).to_string();
        let sent = Client::open("redis", 6379).and_then(|mut redis| redis.call(&["RPUSH", "votes", &vote]));
        if let Err(error) = sent {
            eprintln!("ERROR: the vote is lost, redis does not answer: {}", reason(&error));
            return Response::new(500, "text/plain", "Internal Server Error\n");
        }
    }
    Response::new(200, "text/html; charset=utf-8", page(choice.as_deref())).with("Set-Cookie", format!("voter_id={voter}"))
}

fn page(choice: Option<&str>) -> String {
    let (a, b) = options();
    let mark = |own: &str| if choice == Some(own) { " (your vote)" } else { "" };
    format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{a} vs {b}!</title></head>\n<body><h3>{a} vs {b}!</h3>\n\
         <form method=\"POST\" action=\"/\">\n<button name=\"vote\" value=\"a\">{a}{}</button>\n<button name=\"vote\" value=\"b\">{b}{}</button>\n</form>\n\
         <p>(Tip: you can change your vote)</p>\n<p>Processed by container ID {}</p>\n</body></html>\n",
        mark("a"),
        mark("b"),
        hostname(),
        a = escaped(&a),
        b = escaped(&b)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// `worker`: carries votes from the list to the ballots.
pub fn worker(_args: &[String], _out: &mut dyn Write) -> Result<u8, Failure> {
    loop {
        let Err(error) = carry();
        eprintln!("Waiting for redis: {}", reason(&error));
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
}

fn carry() -> std::io::Result<std::convert::Infallible> {
    let mut redis = Client::open("redis", 6379)?;
    eprintln!("Connected to redis");
    loop {
        // Comes back once in a while, so that a server that went away is noticed.
        let text = text_of(&redis.call(&["BLPOP", "votes", "5"])?);
        let Some(vote) = text.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok()) else { continue };
        if let (Some(voter), Some(choice)) = (vote["voter_id"].as_str(), vote["vote"].as_str()) {
            eprintln!("Processing vote for '{choice}' by '{voter}'");
            redis.call(&["HSET", "ballots", voter, choice])?;
        }
    }
}

/// `result`: how many voted for what, on port 80 (or `PORT`).
pub fn result(_args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(80);
    writeln!(out, "App running on port {port}")?;
    out.flush()?;
    let answer = |request: &Request| match counted() {
        Ok((a, b)) if request.path() == "/json" => Response::new(200, "application/json", serde_json::json!({"a": a, "b": b}).to_string()),
        Ok((a, b)) => Response::new(200, "text/html; charset=utf-8", shown(a, b)),
        Err(error) => {
            eprintln!("Error performing query: {}", reason(&error));
            Response::new(500, "text/plain", "Waiting for the votes\n")
        }
    };
    serve(port, Manner::Deaf, Arc::new(answer))
}

fn counted() -> std::io::Result<(usize, usize)> {
    let mut redis = Client::open("redis", 6379)?;
    if number_of(&redis.call(&["EXISTS", "ballots"])?) == 0 {
        return Ok((0, 0));
    }
    let votes = crate::toolbox::redis::texts_of(&redis.call(&["HVALS", "ballots"])?);
    let of = |choice: &str| votes.iter().filter(|vote| *vote == choice).count();
    Ok((of("a"), of("b")))
}

fn shown(a: usize, b: usize) -> String {
    let (first, second) = options();
    let total = (a + b).max(1);
    format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"2\"><title>{first} vs {second} -- Result</title></head>\n\
         <body><h3>{first} {}% : {second} {}%</h3>\n<p>{} votes</p>\n</body></html>\n",
        a * 100 / total,
        b * 100 / total,
        a + b,
        first = escaped(&first),
        second = escaped(&second)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_show_the_choice_and_the_sum() {
        assert!(page(Some("a")).contains("Cats (your vote)") && !page(None).contains("(your vote)"));
        assert!(shown(1, 3).contains("Cats 25% : Dogs 75%") && shown(0, 0).contains("Cats 0% : Dogs 0%"));
        assert_eq!(escaped("<a&b>"), "&lt;a&amp;b&gt;");
    }
}
