//! The server itself: greetings, passwords, settings, figures, snapshots.

use super::super::data::{fits, now};
use super::super::persist;
use super::super::resp::Reply;
use super::super::version;
use super::{Call, Command, Done, count, syntax};

#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    Command { name: "PING", arity: -1, writes: false, run: ping },
    Command { name: "ECHO", arity: 2, writes: false, run: |call| Ok(Reply::text(call.word(1))) },
    Command { name: "HELLO", arity: -1, writes: false, run: hello },
    Command { name: "AUTH", arity: -2, writes: false, run: auth },
    Command { name: "QUIT", arity: -1, writes: false, run: |call| { call.session.ends = true; Ok(Reply::ok()) } },
    Command { name: "RESET", arity: 1, writes: false, run: reset },
    Command { name: "CLIENT", arity: -2, writes: false, run: client },
    Command { name: "COMMAND", arity: -1, writes: false, run: command },
    Command { name: "CONFIG", arity: -2, writes: false, run: config },
    Command { name: "INFO", arity: -1, writes: false, run: info },
    Command { name: "TIME", arity: 1, writes: false, run: time },
    Command { name: "SAVE", arity: 1, writes: false, run: |call| persist::save(call.state).map(|()| Reply::ok()).map_err(|why| Reply::err(&why)) },
    // The snapshot is small and taken under the lock: what "background" promises is that the client need not wait, and it need not.
    Command { name: "BGSAVE", arity: -1, writes: false, run: |call| persist::save(call.state).map(|()| Reply::Simple("Background saving started".to_owned())).map_err(|why| Reply::err(&why)) },
    Command { name: "BGREWRITEAOF", arity: 1, writes: false, run: rewrite },
    Command { name: "LASTSAVE", arity: 1, writes: false, run: |call| Ok(Reply::Integer(i64::try_from(call.state.last_save).unwrap_or(0))) },
    Command { name: "SHUTDOWN", arity: -1, writes: false, run: shutdown },
    Command { name: "ROLE", arity: 1, writes: false, run: |_| Ok(Reply::Array(vec![Reply::text("master"), Reply::Integer(0), Reply::Array(Vec::new())])) },
];

fn ping(call: &mut Call<'_>) -> Done {
    match (call.words.len(), call.session.protocol < 3 && !(call.session.channels.is_empty() && call.session.patterns.is_empty())) {
        (1, false) => Ok(Reply::Simple("PONG".to_owned())),
        // RESP2 has no way to tell a message from a reply but its shape.
        (1, true) => Ok(Reply::texts([b"pong".to_vec(), Vec::new()])),
        (2, _) => Ok(Reply::text(call.word(1))),
        _ => Err(super::wrong_number("ping")),
    }
}

fn log_in(call: &mut Call<'_>, user: &[u8], password: &[u8]) -> Result<(), Reply> {
    let expected = call.state.settings.get("requirepass");
    if user == b"default" && (expected.is_empty() || expected.as_bytes() == password) {
        call.session.known = true;
        return Ok(());
    }
    Err(Reply::Error("WRONGPASS invalid username-password pair or user is disabled.".to_owned()))
}

fn auth(call: &mut Call<'_>) -> Done {
    let words = call.words;
    match words.len() {
        2 if call.state.settings.get("requirepass").is_empty() => Err(Reply::err(
            "AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
        )),
        2 => log_in(call, b"default", &words[1]).map(|()| Reply::ok()),
        3 => log_in(call, &words[1], &words[2]).map(|()| Reply::ok()),
        _ => Err(syntax()),
    }
}

fn hello(call: &mut Call<'_>) -> Done {
    let words = call.words;
    if words.len() > 1 && !["2", "3"].contains(&call.option(1).as_str()) {
        return Err(Reply::Error("NOPROTO unsupported protocol version".to_owned()));
    }
    let mut at = 2;
    while at < words.len() {
        match call.option(at).as_str() {
            "AUTH" if at + 2 < words.len() => {
                log_in(call, &words[at + 1], &words[at + 2])?;
                at += 3;
            }
            "SETNAME" if at + 1 < words.len() => {
                call.session.name = String::from_utf8_lossy(&words[at + 1]).into_owned();
                at += 2;
            }
            _ => return Err(syntax()),
        }
    }
    if !call.session.known {
        return Err(Reply::Error("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time".to_owned()));
    }
    if words.len() > 1 {
        call.session.protocol = if call.word(1) == b"3" { 3 } else { 2 };
    }
    let pairs = [
        ("server", Reply::text("redis")),
        ("version", Reply::text(version())),
        ("proto", Reply::Integer(i64::from(call.session.protocol))),
        ("id", Reply::Integer(call.session.id as i64)),
        ("mode", Reply::text("standalone")),
        ("role", Reply::text("master")),
        ("modules", Reply::Array(Vec::new())),
    ];
    Ok(Reply::Map(pairs.into_iter().map(|(name, value)| (Reply::text(name), value)).collect()))
}

fn reset(call: &mut Call<'_>) -> Done {
    let session = &mut call.session;
    (session.database, session.protocol, session.queued, session.spoiled) = (0, 2, None, false);
    session.channels.clear();
    session.patterns.clear();
    session.name.clear();
    session.known = call.state.settings.get("requirepass").is_empty();
    Ok(Reply::Simple("RESET".to_owned()))
}

fn client(call: &mut Call<'_>) -> Done {
    match call.option(1).as_str() {
        "ID" => Ok(Reply::Integer(call.session.id as i64)),
        "GETNAME" => Ok(if call.session.name.is_empty() { Reply::Null } else { Reply::text(call.session.name.clone()) }),
        "SETNAME" => {
            call.session.name = String::from_utf8_lossy(call.word(2)).into_owned();
            Ok(Reply::ok())
        }
        "SETINFO" | "NO-EVICT" | "NO-TOUCH" => Ok(Reply::ok()),
        "INFO" => Ok(Reply::text(line(call.session.id, &call.session.address, &call.session.name, call.session.database))),
        "LIST" => {
            let (own, name, database) = (call.session.id, call.session.name.clone(), call.session.database);
            let lines = call
                .state
                .listeners
                .iter()
                .map(|(id, one)| line(*id, &one.address, if *id == own { &name } else { "" }, if *id == own { database } else { 0 }));
            Ok(Reply::text(lines.collect::<String>()))
        }
        _ => Err(call.unknown_part("CLIENT")),
    }
}

fn line(id: u64, address: &str, name: &str, database: usize) -> String {
    format!("id={id} addr={address} name={name} db={database}\n")
}

fn command(call: &mut Call<'_>) -> Done {
    match call.option(1).as_str() {
        "COUNT" => Ok(count(super::table().count())),
        // Clients ask at their start what there is; names and arities are enough for them.
        "" => Ok(Reply::Array(
            super::table()
                .map(|one| Reply::Array(vec![Reply::text(one.name.to_ascii_lowercase()), Reply::Integer(i64::from(one.arity))]))
                .collect(),
        )),
        "DOCS" | "LIST" => Ok(Reply::Array(Vec::new())),
        _ => Err(call.unknown_part("COMMAND")),
    }
}

fn config(call: &mut Call<'_>) -> Done {
    let words = call.words;
    match call.option(1).as_str() {
        "GET" if words.len() > 2 => {
            let wanted = |name: &str| words[2..].iter().any(|pattern| fits(&pattern.to_ascii_lowercase(), name.as_bytes()));
            let pairs = call.state.settings.all().filter(|(name, _)| wanted(name));
            Ok(Reply::Map(pairs.map(|(name, value)| (Reply::text(name), Reply::text(value))).collect()))
        }
        "SET" if words.len() > 3 && words.len().is_multiple_of(2) => {
            for pair in words[2..].chunks_exact(2) {
                let (name, value) =
                    (String::from_utf8_lossy(&pair[0]).to_ascii_lowercase(), String::from_utf8_lossy(&pair[1]).into_owned());
                if !call.state.settings.knows(&name) {
                    return Err(Reply::err(&format!("Unknown option or number of arguments for CONFIG SET - '{name}'")));
                }
                let refused = |why| Reply::err(&format!("CONFIG SET failed (possibly related to argument '{name}') - {why}"));
                call.state.settings.set(&name, &value).map_err(refused)?;
                if name == "appendonly" {
                    persist::switch_log(call.state).map_err(|why| Reply::err(&why))?;
                }
            }
            Ok(Reply::ok())
        }
        "RESETSTAT" => {
            (call.state.hits, call.state.misses, call.state.processed) = (0, 0, 0);
            Ok(Reply::ok())
        }
        "REWRITE" => Err(Reply::err("The server is running without a config file")),
        "GET" | "SET" => Err(super::wrong_number(&format!("config|{}", call.option(1)))),
        _ => Err(call.unknown_part("CONFIG")),
    }
}

fn info(call: &mut Call<'_>) -> Done {
    let wanted = call.option(1).to_ascii_lowercase();
    let state = &mut call.state;
    let seconds = state.started.elapsed().as_secs();
    let keys: Vec<(usize, usize, usize)> = state
        .databases
        .iter_mut()
        .enumerate()
        .map(|(number, database)| (number, database.keys().len(), database.entries().filter(|(_, entry)| entry.until.is_some()).count()))
        .filter(|(_, keys, _)| *keys > 0)
        .collect();
    let bit = |yes: bool| u8::from(yes);
    let sections: [(&str, Vec<String>); 6] = [
        (
            "Server",
            vec![
                format!("redis_version:{}", version()),
                "redis_mode:standalone".to_owned(),
                format!("bottleship_version:{}", env!("CARGO_PKG_VERSION")),
                format!("process_id:{}", std::process::id()),
                format!("tcp_port:{}", state.settings.get("port")),
                format!("uptime_in_seconds:{seconds}"),
                format!("uptime_in_days:{}", seconds / 86_400),
            ],
        ),
        ("Clients", vec![format!("connected_clients:{}", state.listeners.len())]),
        (
            "Persistence",
            vec![
                format!("rdb_changes_since_last_save:{}", state.changes),
                "rdb_bgsave_in_progress:0".to_owned(),
                format!("rdb_last_save_time:{}", state.last_save),
                "rdb_last_bgsave_status:ok".to_owned(),
                format!("aof_enabled:{}", bit(state.log.is_some())),
            ],
        ),
        (
            "Stats",
            vec![
                format!("total_connections_received:{}", state.connections),
                format!("total_commands_processed:{}", state.processed),
                format!("keyspace_hits:{}", state.hits),
                format!("keyspace_misses:{}", state.misses),
            ],
        ),
        ("Replication", vec!["role:master".to_owned(), "connected_slaves:0".to_owned()]),
        ("Keyspace", keys.iter().map(|(number, keys, ends)| format!("db{number}:keys={keys},expires={ends},avg_ttl=0")).collect()),
    ];
    let everything = ["", "all", "default", "everything"].contains(&wanted.as_str());
    let chosen = sections.iter().filter(|(name, _)| everything || name.eq_ignore_ascii_case(&wanted));
    let text: Vec<String> =
        chosen.map(|(name, lines)| format!("# {name}\r\n{}", lines.iter().map(|line| format!("{line}\r\n")).collect::<String>())).collect();
    Ok(Reply::text(text.join("\r\n")))
}

fn time(_call: &mut Call<'_>) -> Done {
    let now = now();
    Ok(Reply::texts([(now / 1000).to_string().into_bytes(), (now % 1000 * 1000).to_string().into_bytes()]))
}

fn rewrite(call: &mut Call<'_>) -> Done {
    persist::rewrite_log(call.state).map_err(|why| Reply::err(&why))?;
    Ok(Reply::Simple("Background append only file rewriting started".to_owned()))
}

fn shutdown(call: &mut Call<'_>) -> Done {
    let saves = match call.option(1).as_str() {
        "" => !call.state.settings.get("save").is_empty(),
        "SAVE" => true,
        "NOSAVE" => false,
        _ => return Err(syntax()),
    };
    (call.state.ending, call.session.ends) = (Some(saves), true);
    Ok(Reply::ok())
}
