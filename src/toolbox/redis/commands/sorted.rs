//! Sorted sets: members in the order of their scores.

use super::super::data::{Bytes, Ordered, Value};
use super::super::resp::{Reply, number_text};
use super::{Call, Command, Done, count, float, integer, range, syntax, wrong_type};

#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    Command { name: "ZADD", arity: -4, writes: true, run: zadd },
    Command { name: "ZINCRBY", arity: 4, writes: true, run: zincrby },
    Command { name: "ZREM", arity: -3, writes: true, run: zrem },
    Command { name: "ZCARD", arity: 2, writes: false, run: |call| Ok(count(ranked(call)?.len())) },
    Command { name: "ZSCORE", arity: 3, writes: false, run: zscore },
    Command { name: "ZRANK", arity: 3, writes: false, run: |call| rank(call, false) },
    Command { name: "ZREVRANK", arity: 3, writes: false, run: |call| rank(call, true) },
    Command { name: "ZRANGE", arity: -4, writes: false, run: zrange },
    Command { name: "ZREVRANGE", arity: -4, writes: false, run: zrevrange },
    Command { name: "ZRANGEBYSCORE", arity: -4, writes: false, run: zrangebyscore },
    Command { name: "ZCOUNT", arity: 4, writes: false, run: zcount },
    Command { name: "ZPOPMIN", arity: -2, writes: true, run: |call| pop(call, false) },
    Command { name: "ZPOPMAX", arity: -2, writes: true, run: |call| pop(call, true) },
];

type Ranked = Vec<(Bytes, f64)>;

/// The members by score, and by name where scores are equal.
fn ranked(call: &mut Call<'_>) -> Result<Ranked, Reply> {
    let key = call.word(1).to_vec();
    let Some(sorted) = call.sorted(&key)? else { return Ok(Vec::new()) };
    let mut all: Ranked = sorted.entries().into_iter().map(|(member, score)| (member.clone(), *score)).collect();
    all.sort_by(|one, other| one.1.total_cmp(&other.1).then_with(|| one.0.cmp(&other.0)));
    Ok(all)
}

fn made<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Ordered<f64>, Reply> {
    let key = call.word(1).to_vec();
    match call.database().or_insert(&key, Value::Sorted(Ordered::default())) {
        Value::Sorted(sorted) => Ok(sorted),
        _ => Err(wrong_type()),
    }
}

fn zadd(call: &mut Call<'_>) -> Done {
    let mut at = 2;
    let (mut only_new, mut only_old, mut changed_too, mut adds) = (false, false, false, false);
    loop {
        match call.option(at).as_str() {
            "NX" => only_new = true,
            "XX" => only_old = true,
            "CH" => changed_too = true,
            "INCR" => adds = true,
            _ => break,
        }
        at += 1;
    }
    let words = call.words;
    if words.len() == at || (words.len() - at) % 2 == 1 || only_new && only_old || adds && words.len() - at != 2 {
        return Err(syntax());
    }
    let pairs = words[at..].chunks_exact(2).map(|pair| Ok((float(&pair[0])?, &pair[1]))).collect::<Result<Vec<_>, Reply>>()?;
    let sorted = made(call)?;
    let (mut added, mut changed, mut last) = (0, 0, None);
    for (score, member) in pairs {
        let old = sorted.get(member).copied();
        if only_new && old.is_some() || only_old && old.is_none() {
            continue;
        }
        let score = if adds { old.unwrap_or(0.0) + score } else { score };
        added += usize::from(old.is_none());
        changed += usize::from(old.is_some_and(|old| old != score));
        sorted.insert(member, score);
        last = Some(score);
    }
    let key = call.word(1).to_vec();
    call.database().tidy(&key);
    Ok(match (adds, last) {
        (true, Some(score)) => Reply::Double(score),
        (true, None) => Reply::Null,
        _ => count(if changed_too { added + changed } else { added }),
    })
}

fn zincrby(call: &mut Call<'_>) -> Done {
    let (by, member) = (float(call.word(2))?, call.word(3).to_vec());
    let sorted = made(call)?;
    let score = sorted.get(&member).copied().unwrap_or(0.0) + by;
    sorted.insert(&member, score);
    Ok(Reply::Double(score))
}

fn zrem(call: &mut Call<'_>) -> Done {
    let (key, words) = (call.word(1).to_vec(), call.words);
    let Some(sorted) = call.sorted(&key)? else { return Ok(Reply::Integer(0)) };
    let removed = words[2..].iter().filter(|member| sorted.remove(member).is_some()).count();
    call.database().tidy(&key);
    Ok(count(removed))
}

fn zscore(call: &mut Call<'_>) -> Done {
    let (key, member) = (call.word(1).to_vec(), call.word(2).to_vec());
    Ok(call.sorted(&key)?.and_then(|sorted| sorted.get(&member).copied()).map_or(Reply::Null, Reply::Double))
}

fn rank(call: &mut Call<'_>, reversed: bool) -> Done {
    let mut all = ranked(call)?;
    if reversed {
        all.reverse();
    }
    Ok(all.iter().position(|(member, _)| member == call.word(2)).map_or(Reply::Null, count))
}

/// Members alone, or with their scores: in RESP3 as pairs, in RESP2 in a row.
fn shown(call: &Call<'_>, all: &[(Bytes, f64)], scores: bool) -> Reply {
    if !scores {
        return Reply::texts(all.iter().map(|(member, _)| member.clone()));
    }
    if call.session.protocol >= 3 {
        return Reply::Array(
            all.iter().map(|(member, score)| Reply::Array(vec![Reply::Bulk(member.clone()), Reply::Double(*score)])).collect(),
        );
    }
    Reply::texts(all.iter().flat_map(|(member, score)| [member.clone(), number_text(*score).into_bytes()]))
}

fn zrange(call: &mut Call<'_>) -> Done {
    let (mut scores, mut reversed, mut by_score) = (false, false, false);
    for at in 4..call.words.len() {
        match call.option(at).as_str() {
            "WITHSCORES" => scores = true,
            "REV" => reversed = true,
            "BYSCORE" => by_score = true,
            _ => return Err(syntax()),
        }
    }
    let mut all = ranked(call)?;
    if by_score {
        let (first, last) = if reversed { (call.word(3), call.word(2)) } else { (call.word(2), call.word(3)) };
        let (first, last) = (Limit::read(first)?, Limit::read(last)?);
        all.retain(|(_, score)| first.is_below(*score) && last.is_above(*score));
    }
    if reversed {
        all.reverse();
    }
    if by_score {
        return Ok(shown(call, &all, scores));
    }
    part(call, &all, scores)
}

fn part(call: &Call<'_>, all: &[(Bytes, f64)], scores: bool) -> Done {
    let found = range(integer(call.word(2))?, integer(call.word(3))?, all.len());
    Ok(shown(call, found.map_or(&[][..], |(first, last)| &all[first..=last]), scores))
}

fn zrevrange(call: &mut Call<'_>) -> Done {
    let scores = match call.option(4).as_str() {
        "" => false,
        "WITHSCORES" => true,
        _ => return Err(syntax()),
    };
    let mut all = ranked(call)?;
    all.reverse();
    part(call, &all, scores)
}

/// One end of a range of scores: `5`, `(5`, `-inf`.
struct Limit {
    score: f64,
    open: bool,
}

impl Limit {
    fn read(word: &[u8]) -> Result<Limit, Reply> {
        let (open, number) = word.strip_prefix(b"(").map_or((false, word), |rest| (true, rest));
        float(number).map(|score| Limit { score, open }).map_err(|_| Reply::err("min or max is not a float"))
    }

    fn is_below(&self, score: f64) -> bool {
        if self.open { self.score < score } else { self.score <= score }
    }

    fn is_above(&self, score: f64) -> bool {
        if self.open { self.score > score } else { self.score >= score }
    }
}

fn zrangebyscore(call: &mut Call<'_>) -> Done {
    let (first, last) = (Limit::read(call.word(2))?, Limit::read(call.word(3))?);
    let (mut scores, mut at, mut skipped, mut most) = (false, 4, 0, usize::MAX);
    while at < call.words.len() {
        match call.option(at).as_str() {
            "WITHSCORES" => scores = true,
            "LIMIT" if at + 2 < call.words.len() => {
                skipped = usize::try_from(integer(call.word(at + 1))?).unwrap_or(usize::MAX);
                most = usize::try_from(integer(call.word(at + 2))?).unwrap_or(usize::MAX);
                at += 2;
            }
            _ => return Err(syntax()),
        }
        at += 1;
    }
    let all = ranked(call)?.into_iter().filter(|(_, score)| first.is_below(*score) && last.is_above(*score));
    let all: Ranked = all.skip(skipped).take(most).collect();
    Ok(shown(call, &all, scores))
}

fn zcount(call: &mut Call<'_>) -> Done {
    let (first, last) = (Limit::read(call.word(2))?, Limit::read(call.word(3))?);
    Ok(count(ranked(call)?.iter().filter(|(_, score)| first.is_below(*score) && last.is_above(*score)).count()))
}

fn pop(call: &mut Call<'_>, highest: bool) -> Done {
    let key = call.word(1).to_vec();
    let wanted = if call.words.len() > 2 {
        usize::try_from(integer(call.word(2))?).map_err(|_| Reply::err("value is out of range, must be positive"))?
    } else {
        1
    };
    let mut all = ranked(call)?;
    if highest {
        all.reverse();
    }
    all.truncate(wanted);
    if let Some(sorted) = call.sorted(&key)? {
        all.iter().for_each(|(member, _)| sorted.discard(member));
        call.database().tidy(&key);
    }
    Ok(Reply::texts(all.iter().flat_map(|(member, score)| [member.clone(), number_text(*score).into_bytes()])))
}
