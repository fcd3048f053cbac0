//! Hashes: fields with values under one key.

use super::super::data::{Bytes, Ordered, Value};
use super::super::resp::{Reply, number_text};
use super::{Call, Command, Done, count, float, integer, wrong_number, wrong_type};

#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    Command { name: "HSET", arity: -4, writes: true, run: |call| put(call).map(count) },
    Command { name: "HMSET", arity: -4, writes: true, run: |call| put(call).map(|_| Reply::ok()) },
    Command { name: "HSETNX", arity: 4, writes: true, run: hsetnx },
    Command { name: "HGET", arity: 3, writes: false, run: hget },
    Command { name: "HMGET", arity: -3, writes: false, run: hmget },
    Command { name: "HGETALL", arity: 2, writes: false, run: hgetall },
    Command { name: "HDEL", arity: -3, writes: true, run: hdel },
    Command { name: "HLEN", arity: 2, writes: false, run: |call| Ok(count(look(call)?.len())) },
    Command { name: "HEXISTS", arity: 3, writes: false, run: |call| { let hash = look(call)?; Ok(Reply::Integer(i64::from(hash.get(call.word(2)).is_some()))) } },
    Command { name: "HSTRLEN", arity: 3, writes: false, run: |call| { let hash = look(call)?; Ok(count(hash.get(call.word(2)).map_or(0, Vec::len))) } },
    Command { name: "HKEYS", arity: 2, writes: false, run: |call| Ok(Reply::texts(look(call)?.keys())) },
    Command { name: "HVALS", arity: 2, writes: false, run: |call| Ok(Reply::texts(look(call)?.entries().into_iter().map(|(_, value)| value.clone()))) },
    Command { name: "HINCRBY", arity: 4, writes: true, run: hincrby },
    Command { name: "HINCRBYFLOAT", arity: 4, writes: true, run: hincrbyfloat },
    Command { name: "HSCAN", arity: -3, writes: false, run: hscan },
];

/// The hash of the key, or an empty one.
fn look(call: &mut Call<'_>) -> Result<Ordered<Bytes>, Reply> {
    let key = call.word(1).to_vec();
    Ok(call.hash(&key)?.cloned().unwrap_or_default())
}

/// The hash of the key, which is made if there is none.
fn made<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Ordered<Bytes>, Reply> {
    let key = call.word(1).to_vec();
    match call.database().or_insert(&key, Value::Hash(Ordered::default())) {
        Value::Hash(hash) => Ok(hash),
        _ => Err(wrong_type()),
    }
}

fn put(call: &mut Call<'_>) -> Result<usize, Reply> {
    let words = call.words;
    if words.len() % 2 == 1 {
        return Err(wrong_number(&call.option(0)));
    }
    let hash = made(call)?;
    Ok(words[2..].chunks_exact(2).filter(|pair| hash.insert(&pair[0], pair[1].clone())).count())
}

fn hsetnx(call: &mut Call<'_>) -> Done {
    let (field, value) = (call.word(2).to_vec(), call.word(3).to_vec());
    let hash = made(call)?;
    let is_new = hash.get(&field).is_none() && hash.insert(&field, value);
    Ok(Reply::Integer(i64::from(is_new)))
}

fn hget(call: &mut Call<'_>) -> Done {
    let (key, field) = (call.word(1).to_vec(), call.word(2).to_vec());
    Ok(call.hash(&key)?.and_then(|hash| hash.get(&field).cloned()).map_or(Reply::Null, Reply::Bulk))
}

fn hmget(call: &mut Call<'_>) -> Done {
    let hash = look(call)?;
    Ok(Reply::Array(call.words[2..].iter().map(|field| hash.get(field).cloned().map_or(Reply::Null, Reply::Bulk)).collect()))
}

fn hgetall(call: &mut Call<'_>) -> Done {
    let pairs = look(call)?;
    Ok(Reply::Map(pairs.entries().into_iter().map(|(field, value)| (Reply::Bulk(field.clone()), Reply::Bulk(value.clone()))).collect()))
}

fn hdel(call: &mut Call<'_>) -> Done {
    let (key, words) = (call.word(1).to_vec(), call.words);
    let Some(hash) = call.hash(&key)? else { return Ok(Reply::Integer(0)) };
    let removed = words[2..].iter().filter(|field| hash.remove(field).is_some()).count();
    call.database().tidy(&key);
    Ok(count(removed))
}

fn hincrby(call: &mut Call<'_>) -> Done {
    let (field, by) = (call.word(2).to_vec(), integer(call.word(3))?);
    let old = look(call)?.get(&field).map_or(Ok(0), |text| integer(text)).map_err(|_| Reply::err("hash value is not an integer"))?;
    let new = old.checked_add(by).ok_or_else(|| Reply::err("increment or decrement would overflow"))?;
    made(call)?.insert(&field, new.to_string().into_bytes());
    Ok(Reply::Integer(new))
}

fn hincrbyfloat(call: &mut Call<'_>) -> Done {
    let (field, by) = (call.word(2).to_vec(), float(call.word(3))?);
    let old = look(call)?.get(&field).map_or(Ok(0.0), |text| float(text)).map_err(|_| Reply::err("hash value is not a float"))?;
    let new = number_text(old + by);
    made(call)?.insert(&field, new.clone().into_bytes());
    Ok(Reply::text(new))
}

fn hscan(call: &mut Call<'_>) -> Done {
    integer(call.word(2)).map_err(|_| Reply::err("invalid cursor"))?;
    let pairs = look(call)?;
    let groups = pairs.entries().into_iter().map(|(field, value)| vec![field.clone(), value.clone()]).collect();
    call.scanned(3, groups)
}
