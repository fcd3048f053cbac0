//! Keys whatever they hold: looking for them, renaming, ending.

use super::super::data::{fits, now};
use super::super::resp::Reply;
use super::{Call, Command, Done, count, integer, syntax};

#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    Command { name: "DEL", arity: -2, writes: true, run: del },
    Command { name: "UNLINK", arity: -2, writes: true, run: del },
    Command { name: "EXISTS", arity: -2, writes: false, run: exists },
    Command { name: "TOUCH", arity: -2, writes: false, run: exists },
    Command { name: "TYPE", arity: 2, writes: false, run: kind },
    Command { name: "KEYS", arity: 2, writes: false, run: keys },
    Command { name: "SCAN", arity: -2, writes: false, run: scan },
    Command { name: "RANDOMKEY", arity: 1, writes: false, run: random },
    Command { name: "RENAME", arity: 3, writes: true, run: rename },
    Command { name: "RENAMENX", arity: 3, writes: true, run: renamenx },
    Command { name: "COPY", arity: -3, writes: true, run: copy },
    Command { name: "EXPIRE", arity: -3, writes: true, run: |call| expire(call, 1000, false) },
    Command { name: "PEXPIRE", arity: -3, writes: true, run: |call| expire(call, 1, false) },
    Command { name: "EXPIREAT", arity: -3, writes: true, run: |call| expire(call, 1000, true) },
    Command { name: "PEXPIREAT", arity: -3, writes: true, run: |call| expire(call, 1, true) },
    Command { name: "TTL", arity: 2, writes: false, run: |call| left(call, 1000) },
    Command { name: "PTTL", arity: 2, writes: false, run: |call| left(call, 1) },
    Command { name: "PERSIST", arity: 2, writes: true, run: persist },
    Command { name: "DBSIZE", arity: 1, writes: false, run: |call| Ok(count(call.database().keys().len())) },
    Command { name: "FLUSHDB", arity: -1, writes: true, run: |call| { call.database().clear(); Ok(Reply::ok()) } },
    Command { name: "FLUSHALL", arity: -1, writes: true, run: flushall },
    Command { name: "SELECT", arity: 2, writes: false, run: select },
    Command { name: "MOVE", arity: 3, writes: true, run: move_key },
];

fn del(call: &mut Call<'_>) -> Done {
    let words = call.words;
    Ok(count(words[1..].iter().filter(|key| call.database().remove(key).is_some()).count()))
}

fn exists(call: &mut Call<'_>) -> Done {
    let words = call.words;
    Ok(count(words[1..].iter().filter(|key| call.database().get(key).is_some()).count()))
}

fn kind(call: &mut Call<'_>) -> Done {
    let key = call.word(1).to_vec();
    Ok(Reply::Simple(call.value(&key).map_or("none", |value| value.kind()).to_owned()))
}

fn keys(call: &mut Call<'_>) -> Done {
    let pattern = call.word(1).to_vec();
    Ok(Reply::texts(call.database().keys().into_iter().filter(|key| fits(&pattern, key))))
}

fn scan(call: &mut Call<'_>) -> Done {
    integer(call.word(1)).map_err(|_| Reply::err("invalid cursor"))?;
    let all = call.database().keys().into_iter().map(|key| vec![key]).collect();
    call.scanned(2, all)
}

fn random(call: &mut Call<'_>) -> Done {
    let keys = call.database().keys();
    let number = u64::from_le_bytes(crate::kernel::random::bytes::<8>()) as usize;
    Ok(if keys.is_empty() { Reply::Null } else { Reply::text(keys[number % keys.len()].clone()) })
}

fn rename(call: &mut Call<'_>) -> Done {
    let (from, to) = (call.word(1).to_vec(), call.word(2).to_vec());
    let entry = call.database().remove(&from).ok_or_else(|| Reply::err("no such key"))?;
    call.database().restore(to, entry);
    Ok(Reply::ok())
}

fn renamenx(call: &mut Call<'_>) -> Done {
    let (from, to) = (call.word(1).to_vec(), call.word(2).to_vec());
    call.database().get(&from).ok_or_else(|| Reply::err("no such key"))?;
    if call.database().get(&to).is_some() {
        return Ok(Reply::Integer(0));
    }
    rename(call).map(|_| Reply::Integer(1))
}

fn copy(call: &mut Call<'_>) -> Done {
    let (from, to) = (call.word(1).to_vec(), call.word(2).to_vec());
    let replace = match call.words.len() {
        3 => false,
        4 if call.option(3) == "REPLACE" => true,
        _ => return Err(syntax()),
    };
    if from == to {
        return Err(Reply::err("source and destination objects are the same"));
    }
    let Some(entry) = call.database().get(&from).cloned() else { return Ok(Reply::Integer(0)) };
    if call.database().get(&to).is_some() && !replace {
        return Ok(Reply::Integer(0));
    }
    call.database().restore(to, entry);
    Ok(Reply::Integer(1))
}

fn expire(call: &mut Call<'_>, factor: i64, absolute: bool) -> Done {
    let (key, number) = (call.word(1).to_vec(), integer(call.word(2))?);
    let name = call.option(0).to_ascii_lowercase();
    let invalid = || Reply::err(&format!("invalid expire time in '{name}' command"));
    let scaled = number.checked_mul(factor).ok_or_else(invalid)?;
    let now = i64::try_from(now()).unwrap_or(i64::MAX);
    let until = if absolute { scaled } else { now.checked_add(scaled).ok_or_else(invalid)? };
    let condition = call.option(3);
    let Some(entry) = call.database().get(&key) else { return Ok(Reply::Integer(0)) };
    let known = entry.until.and_then(|until| i64::try_from(until).ok());
    let allowed = match condition.as_str() {
        "" => true,
        "NX" => known.is_none(),
        "XX" => known.is_some(),
        "GT" => known.is_some_and(|known| until > known),
        "LT" => known.is_none_or(|known| until < known),
        other => return Err(Reply::err(&format!("Unsupported option {}", other.to_ascii_lowercase()))),
    };
    if !allowed {
        return Ok(Reply::Integer(0));
    }
    match u64::try_from(until).ok().filter(|_| until > now) {
        Some(until) => entry.until = Some(until),
        // An end in the past is a removal.
        None => drop(call.database().remove(&key)),
    }
    Ok(Reply::Integer(1))
}

fn left(call: &mut Call<'_>, unit: u64) -> Done {
    let key = call.word(1).to_vec();
    Ok(Reply::Integer(match call.database().get(&key).map(|entry| entry.until) {
        None => -2,
        Some(None) => -1,
        Some(Some(until)) => i64::try_from((until.saturating_sub(now()) + unit / 2) / unit).unwrap_or(i64::MAX),
    }))
}

fn persist(call: &mut Call<'_>) -> Done {
    let key = call.word(1).to_vec();
    let had = call.database().get(&key).and_then(|entry| entry.until.take());
    Ok(Reply::Integer(i64::from(had.is_some())))
}

fn flushall(call: &mut Call<'_>) -> Done {
    call.state.databases.iter_mut().for_each(super::Database::clear);
    Ok(Reply::ok())
}

/// The number of a database.
fn number(call: &Call<'_>, at: usize) -> Result<usize, Reply> {
    let number = integer(call.word(at))?;
    usize::try_from(number).ok().filter(|number| *number < call.state.databases.len()).ok_or_else(|| Reply::err("DB index is out of range"))
}

fn select(call: &mut Call<'_>) -> Done {
    call.session.database = number(call, 1)?;
    Ok(Reply::ok())
}

fn move_key(call: &mut Call<'_>) -> Done {
    let (key, target) = (call.word(1).to_vec(), number(call, 2)?);
    if target == call.session.database {
        return Err(Reply::err("source and destination objects are the same"));
    }
    if call.state.databases[target].get(&key).is_some() {
        return Ok(Reply::Integer(0));
    }
    let Some(entry) = call.database().remove(&key) else { return Ok(Reply::Integer(0)) };
    call.state.databases[target].restore(key, entry);
    Ok(Reply::Integer(1))
}
