//! Sets.

use super::super::data::{Bytes, Ordered, Value};
use super::super::resp::Reply;
use super::{Call, Command, Done, count, integer, members, wrong_type};

#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    Command { name: "SADD", arity: -3, writes: true, run: sadd },
    Command { name: "SREM", arity: -3, writes: true, run: srem },
    Command { name: "SMEMBERS", arity: 2, writes: false, run: |call| Ok(Reply::Set(bulks(members(&look(call, 1)?)))) },
    Command { name: "SISMEMBER", arity: 3, writes: false, run: |call| { let set = look(call, 1)?; Ok(Reply::Integer(i64::from(set.get(call.word(2)).is_some()))) } },
    Command { name: "SMISMEMBER", arity: -3, writes: false, run: smismember },
    Command { name: "SCARD", arity: 2, writes: false, run: |call| Ok(count(look(call, 1)?.len())) },
    Command { name: "SPOP", arity: -2, writes: true, run: spop },
    Command { name: "SRANDMEMBER", arity: -2, writes: false, run: srandmember },
    Command { name: "SMOVE", arity: 4, writes: true, run: smove },
    Command { name: "SINTER", arity: -2, writes: false, run: |call| combined(call, 1, Kind::Inter).map(|all| Reply::Set(bulks(all))) },
    Command { name: "SUNION", arity: -2, writes: false, run: |call| combined(call, 1, Kind::Union).map(|all| Reply::Set(bulks(all))) },
    Command { name: "SDIFF", arity: -2, writes: false, run: |call| combined(call, 1, Kind::Difference).map(|all| Reply::Set(bulks(all))) },
    Command { name: "SINTERSTORE", arity: -3, writes: true, run: |call| store(call, Kind::Inter) },
    Command { name: "SUNIONSTORE", arity: -3, writes: true, run: |call| store(call, Kind::Union) },
    Command { name: "SDIFFSTORE", arity: -3, writes: true, run: |call| store(call, Kind::Difference) },
    Command { name: "SSCAN", arity: -3, writes: false, run: sscan },
];

enum Kind {
    Inter,
    Union,
    Difference,
}

fn bulks(all: Vec<Bytes>) -> Vec<Reply> {
    all.into_iter().map(Reply::Bulk).collect()
}

fn look(call: &mut Call<'_>, at: usize) -> Result<Ordered<()>, Reply> {
    let key = call.word(at).to_vec();
    Ok(call.set(&key)?.cloned().unwrap_or_default())
}

fn sadd(call: &mut Call<'_>) -> Done {
    let (key, words) = (call.word(1).to_vec(), call.words);
    match call.database().or_insert(&key, Value::Set(Ordered::default())) {
        Value::Set(set) => Ok(count(words[2..].iter().filter(|member| set.insert(member, ())).count())),
        _ => Err(wrong_type()),
    }
}

fn srem(call: &mut Call<'_>) -> Done {
    let (key, words) = (call.word(1).to_vec(), call.words);
    let Some(set) = call.set(&key)? else { return Ok(Reply::Integer(0)) };
    let removed = words[2..].iter().filter(|member| set.remove(member).is_some()).count();
    call.database().tidy(&key);
    Ok(count(removed))
}

fn smismember(call: &mut Call<'_>) -> Done {
    let set = look(call, 1)?;
    Ok(Reply::Array(call.words[2..].iter().map(|member| Reply::Integer(i64::from(set.get(member).is_some()))).collect()))
}

/// So many members by chance, each at most once.
fn some(mut all: Vec<Bytes>, wanted: usize) -> Vec<Bytes> {
    let mut chosen = Vec::new();
    while chosen.len() < wanted && !all.is_empty() {
        let number = u64::from_le_bytes(crate::kernel::random::bytes::<8>()) as usize;
        chosen.push(all.swap_remove(number % all.len()));
    }
    chosen
}

fn spop(call: &mut Call<'_>) -> Done {
    let key = call.word(1).to_vec();
    let wanted = (call.words.len() > 2).then(|| integer(call.word(2))).transpose()?;
    let wanted =
        wanted.map(|wanted| usize::try_from(wanted).map_err(|_| Reply::err("value is out of range, must be positive"))).transpose()?;
    let chosen = some(look(call, 1)?.keys(), wanted.unwrap_or(1));
    if let Some(set) = call.set(&key)? {
        chosen.iter().for_each(|member| set.discard(member));
        call.database().tidy(&key);
    }
    Ok(if wanted.is_some() { Reply::Set(bulks(chosen)) } else { chosen.into_iter().next().map_or(Reply::Null, Reply::Bulk) })
}

fn srandmember(call: &mut Call<'_>) -> Done {
    let all = look(call, 1)?.keys();
    if call.words.len() < 3 {
        return Ok(some(all, 1).into_iter().next().map_or(Reply::Null, Reply::Bulk));
    }
    let wanted = integer(call.word(2))?;
    if wanted >= 0 {
        return Ok(Reply::texts(some(all, wanted as usize)));
    }
    // A negative number may give a member several times.
    let most = wanted.unsigned_abs().min(1 << 20);
    Ok(Reply::texts((0..most).map_while(|_| some(all.clone(), 1).into_iter().next())))
}

fn smove(call: &mut Call<'_>) -> Done {
    let (from, to, member) = (call.word(1).to_vec(), call.word(2).to_vec(), call.word(3).to_vec());
    call.set(&to)?;
    if call.set(&from)?.and_then(|set| set.remove(&member)).is_none() {
        return Ok(Reply::Integer(0));
    }
    call.database().tidy(&from);
    if let Value::Set(set) = call.database().or_insert(&to, Value::Set(Ordered::default())) {
        set.insert(&member, ());
    }
    Ok(Reply::Integer(1))
}

fn combined(call: &mut Call<'_>, from: usize, kind: Kind) -> Result<Vec<Bytes>, Reply> {
    let sets = (from..call.words.len()).map(|at| look(call, at)).collect::<Result<Vec<_>, _>>()?;
    let Some((first, others)) = sets.split_first() else { return Ok(Vec::new()) };
    let mut result = Ordered::default();
    let add = |result: &mut Ordered<()>, set: &Ordered<()>, wanted: &dyn Fn(&Bytes) -> bool| {
        set.keys().into_iter().filter(|member| wanted(member)).for_each(|member| result.put(&member, ()));
    };
    match kind {
        Kind::Union => sets.iter().for_each(|set| add(&mut result, set, &|_| true)),
        Kind::Inter => add(&mut result, first, &|member| others.iter().all(|set| set.get(member).is_some())),
        Kind::Difference => add(&mut result, first, &|member| others.iter().all(|set| set.get(member).is_none())),
    }
    Ok(members(&result))
}

fn store(call: &mut Call<'_>, kind: Kind) -> Done {
    let (key, all) = (call.word(1).to_vec(), combined(call, 2, kind)?);
    let mut set = Ordered::default();
    all.iter().for_each(|member| set.put(member, ()));
    call.database().set(&key, Value::Set(set));
    call.database().tidy(&key);
    Ok(count(all.len()))
}

fn sscan(call: &mut Call<'_>) -> Done {
    integer(call.word(2)).map_err(|_| Reply::err("invalid cursor"))?;
    let groups = members(&look(call, 1)?).into_iter().map(|member| vec![member]).collect();
    call.scanned(3, groups)
}
