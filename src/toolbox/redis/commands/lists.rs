//! Lists.

use std::collections::VecDeque;

use super::super::data::{Bytes, Value};
use super::super::resp::Reply;
use super::{Call, Command, Done, count, integer, range, syntax, wrong_type};

#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    Command { name: "LPUSH", arity: -3, writes: true, run: |call| push(call, true, true) },
    Command { name: "RPUSH", arity: -3, writes: true, run: |call| push(call, false, true) },
    Command { name: "LPUSHX", arity: -3, writes: true, run: |call| push(call, true, false) },
    Command { name: "RPUSHX", arity: -3, writes: true, run: |call| push(call, false, false) },
    Command { name: "LPOP", arity: -2, writes: true, run: |call| pop(call, true) },
    Command { name: "RPOP", arity: -2, writes: true, run: |call| pop(call, false) },
    // Who must wait for them is for the connection: here they only look.
    Command { name: "BLPOP", arity: -3, writes: true, run: |call| blocking(call, true) },
    Command { name: "BRPOP", arity: -3, writes: true, run: |call| blocking(call, false) },
    Command { name: "LLEN", arity: 2, writes: false, run: llen },
    Command { name: "LRANGE", arity: 4, writes: false, run: lrange },
    Command { name: "LINDEX", arity: 3, writes: false, run: lindex },
    Command { name: "LSET", arity: 4, writes: true, run: lset },
    Command { name: "LREM", arity: 4, writes: true, run: lrem },
    Command { name: "LTRIM", arity: 4, writes: true, run: ltrim },
    Command { name: "LINSERT", arity: 5, writes: true, run: linsert },
    Command { name: "RPOPLPUSH", arity: 3, writes: true, run: |call| shift(call, false, true) },
    Command { name: "LMOVE", arity: 5, writes: true, run: lmove },
];

fn add(list: &mut VecDeque<Bytes>, left: bool, value: Bytes) {
    if left { list.push_front(value) } else { list.push_back(value) }
}

fn take(list: &mut VecDeque<Bytes>, left: bool) -> Option<Bytes> {
    if left { list.pop_front() } else { list.pop_back() }
}

fn push(call: &mut Call<'_>, left: bool, make: bool) -> Done {
    let key = call.word(1).to_vec();
    if call.list(&key)?.is_none() && !make {
        return Ok(Reply::Integer(0));
    }
    let words = call.words;
    match call.database().or_insert(&key, Value::List(VecDeque::new())) {
        Value::List(list) => {
            words[2..].iter().for_each(|value| add(list, left, value.clone()));
            Ok(count(list.len()))
        }
        _ => Err(wrong_type()),
    }
}

fn pop(call: &mut Call<'_>, left: bool) -> Done {
    let key = call.word(1).to_vec();
    let wanted = match call.words.len() {
        2 => None,
        3 => Some(usize::try_from(integer(call.word(2))?).map_err(|_| Reply::err("value is out of range, must be positive"))?),
        _ => return Err(super::wrong_number(&call.option(0))),
    };
    let Some(list) = call.list(&key)? else { return Ok(if wanted.is_some() { Reply::NullArray } else { Reply::Null }) };
    let taken: Vec<Bytes> = (0..wanted.unwrap_or(1)).map_while(|_| take(list, left)).collect();
    call.database().tidy(&key);
    Ok(match wanted {
        Some(_) => Reply::texts(taken),
        None => taken.into_iter().next().map_or(Reply::Null, Reply::Bulk),
    })
}

/// The first list of the keys that holds something: its name and an element.
fn blocking(call: &mut Call<'_>, left: bool) -> Done {
    let words = call.words;
    let seconds = super::float(&words[words.len() - 1]).map_err(|_| Reply::err("timeout is not a float or out of range"))?;
    if seconds < 0.0 {
        return Err(Reply::err("timeout is negative"));
    }
    for key in &words[1..words.len() - 1] {
        if let Some(value) = call.list(key)?.and_then(|list| take(list, left)) {
            call.database().tidy(key);
            return Ok(Reply::texts([key.clone(), value]));
        }
    }
    Ok(Reply::NullArray)
}

fn llen(call: &mut Call<'_>) -> Done {
    let key = call.word(1).to_vec();
    Ok(count(call.list(&key)?.map_or(0, |list| list.len())))
}

fn lrange(call: &mut Call<'_>) -> Done {
    let (key, first, last) = (call.word(1).to_vec(), integer(call.word(2))?, integer(call.word(3))?);
    let Some(list) = call.list(&key)? else { return Ok(Reply::Array(Vec::new())) };
    let part = range(first, last, list.len()).map_or(Vec::new(), |(first, last)| list.range(first..=last).cloned().collect());
    Ok(Reply::texts(part))
}

/// A position in a list, counted from the end if it is negative.
fn position(number: i64, length: usize) -> Option<usize> {
    let number = if number < 0 { number + i64::try_from(length).ok()? } else { number };
    usize::try_from(number).ok().filter(|position| *position < length)
}

fn lindex(call: &mut Call<'_>) -> Done {
    let (key, number) = (call.word(1).to_vec(), integer(call.word(2))?);
    let found = call.list(&key)?.and_then(|list| position(number, list.len()).map(|at| list[at].clone()));
    Ok(found.map_or(Reply::Null, Reply::Bulk))
}

fn lset(call: &mut Call<'_>) -> Done {
    let (key, number, value) = (call.word(1).to_vec(), integer(call.word(2))?, call.word(3).to_vec());
    let list = call.list(&key)?.ok_or_else(|| Reply::err("no such key"))?;
    let at = position(number, list.len()).ok_or_else(|| Reply::err("index out of range"))?;
    list[at] = value;
    Ok(Reply::ok())
}

fn lrem(call: &mut Call<'_>) -> Done {
    let (key, number, value) = (call.word(1).to_vec(), integer(call.word(2))?, call.word(3).to_vec());
    let Some(list) = call.list(&key)? else { return Ok(Reply::Integer(0)) };
    let most = if number == 0 { usize::MAX } else { number.unsigned_abs() as usize };
    let mut removed = 0;
    let mut keep = |element: &Bytes| {
        let goes = *element == value && removed < most;
        removed += usize::from(goes);
        !goes
    };
    if number < 0 {
        let kept: VecDeque<Bytes> = list.iter().rev().filter(|element| keep(element)).cloned().collect();
        *list = kept.into_iter().rev().collect();
    } else {
        list.retain(|element| keep(element));
    }
    call.database().tidy(&key);
    Ok(count(removed))
}

fn ltrim(call: &mut Call<'_>) -> Done {
    let (key, first, last) = (call.word(1).to_vec(), integer(call.word(2))?, integer(call.word(3))?);
    if let Some(list) = call.list(&key)? {
        *list = range(first, last, list.len()).map_or(VecDeque::new(), |(first, last)| list.range(first..=last).cloned().collect());
        call.database().tidy(&key);
    }
    Ok(Reply::ok())
}

fn linsert(call: &mut Call<'_>) -> Done {
    let (key, pivot, value) = (call.word(1).to_vec(), call.word(3).to_vec(), call.word(4).to_vec());
    let behind = match call.option(2).as_str() {
        "BEFORE" => 0,
        "AFTER" => 1,
        _ => return Err(syntax()),
    };
    let Some(list) = call.list(&key)? else { return Ok(Reply::Integer(0)) };
    let Some(at) = list.iter().position(|element| *element == pivot) else { return Ok(Reply::Integer(-1)) };
    list.insert(at + behind, value);
    Ok(count(list.len()))
}

fn lmove(call: &mut Call<'_>) -> Done {
    let side = |word: String| match word.as_str() {
        "LEFT" => Ok(true),
        "RIGHT" => Ok(false),
        _ => Err(syntax()),
    };
    let (from, to) = (side(call.option(3))?, side(call.option(4))?);
    shift(call, from, to)
}

fn shift(call: &mut Call<'_>, from_left: bool, to_left: bool) -> Done {
    let (from, to) = (call.word(1).to_vec(), call.word(2).to_vec());
    call.list(&to)?;
    let Some(value) = call.list(&from)?.and_then(|list| take(list, from_left)) else { return Ok(Reply::Null) };
    if let Value::List(list) = call.database().or_insert(&to, Value::List(VecDeque::new())) {
        add(list, to_left, value.clone());
    }
    call.database().tidy(&from);
    Ok(Reply::Bulk(value))
}
