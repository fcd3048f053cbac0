//! Texts and counters.

use super::super::data::{Value, now};
use super::super::resp::{Reply, number_text};
use super::{Call, Command, Done, count, float, integer, range, syntax};

#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    Command { name: "SET", arity: -3, writes: true, run: set },
    Command { name: "GET", arity: 2, writes: false, run: get },
    Command { name: "GETSET", arity: 3, writes: true, run: getset },
    Command { name: "GETDEL", arity: 2, writes: true, run: getdel },
    Command { name: "SETNX", arity: 3, writes: true, run: setnx },
    Command { name: "SETEX", arity: 4, writes: true, run: |call| setex(call, 1000) },
    Command { name: "PSETEX", arity: 4, writes: true, run: |call| setex(call, 1) },
    Command { name: "MSET", arity: -3, writes: true, run: mset },
    Command { name: "MSETNX", arity: -3, writes: true, run: msetnx },
    Command { name: "MGET", arity: -2, writes: false, run: mget },
    Command { name: "APPEND", arity: 3, writes: true, run: append },
    Command { name: "STRLEN", arity: 2, writes: false, run: strlen },
    Command { name: "INCR", arity: 2, writes: true, run: |call| add(call, 1) },
    Command { name: "DECR", arity: 2, writes: true, run: |call| add(call, -1) },
    Command { name: "INCRBY", arity: 3, writes: true, run: |call| { let by = integer(call.word(2))?; add(call, by) } },
    Command { name: "DECRBY", arity: 3, writes: true, run: decrby },
    Command { name: "INCRBYFLOAT", arity: 3, writes: true, run: incrbyfloat },
    Command { name: "GETRANGE", arity: 4, writes: false, run: getrange },
    Command { name: "SETRANGE", arity: 4, writes: true, run: setrange },
];

/// The options of SET.
#[derive(Default)]
struct Options {
    until: Option<u64>,
    keep: bool,
    only_new: bool,
    only_old: bool,
    get: bool,
}

fn options(call: &Call<'_>) -> Result<Options, Reply> {
    let mut options = Options::default();
    let mut at = 3;
    while at < call.words.len() {
        match call.option(at).as_str() {
            "NX" => options.only_new = true,
            "XX" => options.only_old = true,
            "GET" => options.get = true,
            "KEEPTTL" => options.keep = true,
            unit @ ("EX" | "PX" | "EXAT" | "PXAT") if at + 1 < call.words.len() && options.until.is_none() => {
                at += 1;
                options.until = Some(end(integer(call.word(at))?, unit, "set")?);
            }
            _ => return Err(syntax()),
        }
        at += 1;
    }
    let exclusive = options.only_new && options.only_old || options.keep && options.until.is_some();
    if exclusive { Err(syntax()) } else { Ok(options) }
}

/// The time of an end, in milliseconds since 1970.
fn end(number: i64, unit: &str, command: &str) -> Result<u64, Reply> {
    let invalid = || Reply::err(&format!("invalid expire time in '{command}' command"));
    let scaled = if unit.starts_with('E') { number.checked_mul(1000) } else { Some(number) };
    let scaled = scaled.and_then(|scaled| u64::try_from(scaled).ok()).filter(|scaled| *scaled > 0).ok_or_else(invalid)?;
    if unit.ends_with("AT") { Ok(scaled) } else { now().checked_add(scaled).ok_or_else(invalid) }
}

fn set(call: &mut Call<'_>) -> Done {
    let options = options(call)?;
    let (key, value) = (call.word(1).to_vec(), call.word(2).to_vec());
    let old = if options.get { call.text(&key)?.map(|text| Reply::text(text.clone())) } else { None };
    let before = call.database().get(&key).map(|entry| entry.until);
    let refused = options.only_new && before.is_some() || options.only_old && before.is_none();
    if !refused {
        call.database().set(&key, Value::Text(value));
        let until = if options.keep { before.flatten() } else { options.until };
        if let Some(entry) = call.database().get(&key) {
            entry.until = until;
        }
    }
    Ok(match (options.get, refused) {
        (true, _) => old.unwrap_or(Reply::Null),
        (false, true) => Reply::Null,
        (false, false) => Reply::ok(),
    })
}

fn get(call: &mut Call<'_>) -> Done {
    let key = call.word(1).to_vec();
    let found = call.text(&key)?.map(|text| Reply::text(text.clone()));
    *(if found.is_some() { &mut call.state.hits } else { &mut call.state.misses }) += 1;
    Ok(found.unwrap_or(Reply::Null))
}

fn getset(call: &mut Call<'_>) -> Done {
    let old = get(call)?;
    let (key, value) = (call.word(1).to_vec(), call.word(2).to_vec());
    call.database().set(&key, Value::Text(value));
    Ok(old)
}

fn getdel(call: &mut Call<'_>) -> Done {
    let old = get(call)?;
    let key = call.word(1).to_vec();
    call.database().remove(&key);
    Ok(old)
}

fn setnx(call: &mut Call<'_>) -> Done {
    let (key, value) = (call.word(1).to_vec(), call.word(2).to_vec());
    if call.database().get(&key).is_some() {
        return Ok(Reply::Integer(0));
    }
    call.database().set(&key, Value::Text(value));
    Ok(Reply::Integer(1))
}

fn setex(call: &mut Call<'_>, factor: i64) -> Done {
    let (unit, command) = if factor == 1 { ("PX", "psetex") } else { ("EX", "setex") };
    let until = end(integer(call.word(2))?, unit, command)?;
    let (key, value) = (call.word(1).to_vec(), call.word(3).to_vec());
    call.database().set(&key, Value::Text(value));
    if let Some(entry) = call.database().get(&key) {
        entry.until = Some(until);
    }
    Ok(Reply::ok())
}

fn mset(call: &mut Call<'_>) -> Done {
    if call.words.len().is_multiple_of(2) {
        return Err(super::wrong_number(&call.option(0)));
    }
    for pair in call.words[1..].chunks_exact(2) {
        call.database().set(&pair[0], Value::Text(pair[1].clone()));
    }
    Ok(Reply::ok())
}

fn msetnx(call: &mut Call<'_>) -> Done {
    if call.words.len().is_multiple_of(2) {
        return Err(super::wrong_number("msetnx"));
    }
    let words = call.words;
    if words[1..].chunks_exact(2).any(|pair| call.database().get(&pair[0]).is_some()) {
        return Ok(Reply::Integer(0));
    }
    mset(call).map(|_| Reply::Integer(1))
}

fn mget(call: &mut Call<'_>) -> Done {
    let words = call.words;
    let one = |key: &Vec<u8>| match call.text(key) {
        Ok(Some(text)) => Reply::text(text.clone()),
        _ => Reply::Null,
    };
    Ok(Reply::Array(words[1..].iter().map(one).collect()))
}

fn append(call: &mut Call<'_>) -> Done {
    let (key, more) = (call.word(1).to_vec(), call.word(2).to_vec());
    call.text(&key)?;
    match call.database().or_insert(&key, Value::Text(Vec::new())) {
        Value::Text(text) => {
            text.extend(more);
            Ok(count(text.len()))
        }
        _ => Err(super::wrong_type()),
    }
}

fn strlen(call: &mut Call<'_>) -> Done {
    let key = call.word(1).to_vec();
    Ok(count(call.text(&key)?.map_or(0, |text| text.len())))
}

fn add(call: &mut Call<'_>, by: i64) -> Done {
    let key = call.word(1).to_vec();
    let old = call.text(&key)?.map_or(Ok(0), |text| integer(text))?;
    let new = old.checked_add(by).ok_or_else(|| Reply::err("increment or decrement would overflow"))?;
    put_number(call, &key, new.to_string());
    Ok(Reply::Integer(new))
}

/// A counter keeps its end.
fn put_number(call: &mut Call<'_>, key: &[u8], text: String) {
    *call.database().or_insert(key, Value::Text(Vec::new())) = Value::Text(text.into_bytes());
}

fn decrby(call: &mut Call<'_>) -> Done {
    let by = integer(call.word(2))?;
    add(call, by.checked_neg().ok_or_else(|| Reply::err("decrement would overflow"))?)
}

fn incrbyfloat(call: &mut Call<'_>) -> Done {
    let (key, by) = (call.word(1).to_vec(), float(call.word(2))?);
    let old = call.text(&key)?.map_or(Ok(0.0), |text| float(text))?;
    let new = old + by;
    if !new.is_finite() {
        return Err(Reply::err("increment would produce NaN or Infinity"));
    }
    put_number(call, &key, number_text(new));
    Ok(Reply::text(number_text(new)))
}

fn getrange(call: &mut Call<'_>) -> Done {
    let (key, first, last) = (call.word(1).to_vec(), integer(call.word(2))?, integer(call.word(3))?);
    let text = call.text(&key)?.cloned().unwrap_or_default();
    Ok(Reply::text(range(first, last, text.len()).map_or(Vec::new(), |(first, last)| text[first..=last].to_vec())))
}

fn setrange(call: &mut Call<'_>) -> Done {
    let (key, offset, part) = (call.word(1).to_vec(), integer(call.word(2))?, call.word(3).to_vec());
    let offset = usize::try_from(offset).map_err(|_| Reply::err("offset is out of range"))?;
    if offset + part.len() > 512 << 20 {
        return Err(Reply::err("string exceeds maximum allowed size (proto-max-bulk-len)"));
    }
    let mut text = call.text(&key)?.cloned().unwrap_or_default();
    if part.is_empty() {
        return Ok(count(text.len()));
    }
    text.resize(text.len().max(offset + part.len()), 0);
    text[offset..offset + part.len()].copy_from_slice(&part);
    let length = text.len();
    *call.database().or_insert(&key, Value::Text(Vec::new())) = Value::Text(text);
    Ok(count(length))
}
