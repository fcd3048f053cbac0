//! Publish and subscribe.

use super::super::data::{Bytes, fits};
use super::super::resp::Reply;
use super::{Call, Command, Done, count};

#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    Command { name: "SUBSCRIBE", arity: -2, writes: false, run: |call| each(call, true, false) },
    Command { name: "PSUBSCRIBE", arity: -2, writes: false, run: |call| each(call, true, true) },
    Command { name: "UNSUBSCRIBE", arity: -1, writes: false, run: |call| each(call, false, false) },
    Command { name: "PUNSUBSCRIBE", arity: -1, writes: false, run: |call| each(call, false, true) },
    Command { name: "PUBLISH", arity: 3, writes: false, run: publish },
    Command { name: "PUBSUB", arity: -2, writes: false, run: pubsub },
];

/// One reply for each channel; all but the last go out at once, the last is the command's own.
fn each(call: &mut Call<'_>, begins: bool, pattern: bool) -> Done {
    let kind = match (begins, pattern) {
        (true, false) => "subscribe",
        (true, true) => "psubscribe",
        (false, false) => "unsubscribe",
        (false, true) => "punsubscribe",
    };
    let mut named: Vec<Bytes> = call.words[1..].to_vec();
    let session = &mut call.session;
    let own = if pattern { &session.patterns } else { &session.channels };
    if !begins && named.is_empty() {
        named = own.iter().cloned().collect();
    }
    let mut replies = Vec::new();
    for channel in &named {
        let own = if pattern { &mut session.patterns } else { &mut session.channels };
        if begins {
            own.insert(channel.clone())
        } else {
            own.remove(channel)
        };
        let left = session.channels.len() + session.patterns.len();
        replies.push(Reply::Push(vec![Reply::text(kind), Reply::Bulk(channel.clone()), count(left)]));
    }
    if replies.is_empty() {
        let left = session.channels.len() + session.patterns.len();
        replies.push(Reply::Push(vec![Reply::text(kind), Reply::Null, count(left)]));
    }
    let (channels, patterns) = (session.channels.clone(), session.patterns.clone());
    call.state.listeners.entry(session.id).and_modify(|listener| (listener.channels, listener.patterns) = (channels, patterns));
    let last = replies.pop().unwrap_or(Reply::Null);
    let listener = call.state.listeners.get(&session.id);
    if let Some(listener) = listener {
        replies.iter().for_each(|reply| listener.send(reply));
    }
    Ok(last)
}

fn publish(call: &mut Call<'_>) -> Done {
    let (channel, message) = (call.word(1).to_vec(), call.word(2).to_vec());
    let mut heard = 0;
    for listener in call.state.listeners.values() {
        if listener.channels.contains(&channel) {
            heard += 1;
            listener.send(&Reply::Push(vec![Reply::text("message"), Reply::Bulk(channel.clone()), Reply::Bulk(message.clone())]));
        }
        for pattern in listener.patterns.iter().filter(|pattern| fits(pattern, &channel)) {
            heard += 1;
            let parts = [b"pmessage".to_vec(), pattern.clone(), channel.clone(), message.clone()];
            listener.send(&Reply::Push(parts.into_iter().map(Reply::Bulk).collect()));
        }
    }
    Ok(count(heard))
}

fn pubsub(call: &mut Call<'_>) -> Done {
    let listeners = || call.state.listeners.values();
    match call.option(1).as_str() {
        "CHANNELS" => {
            let pattern = call.words.get(2).cloned().unwrap_or_else(|| b"*".to_vec());
            let all: std::collections::BTreeSet<Bytes> = listeners().flat_map(|one| one.channels.iter().cloned()).collect();
            Ok(Reply::texts(all.into_iter().filter(|channel| fits(&pattern, channel))))
        }
        "NUMSUB" => {
            let number = |channel: &Bytes| count(listeners().filter(|one| one.channels.contains(channel)).count());
            Ok(Reply::Array(call.words[2..].iter().flat_map(|channel| [Reply::Bulk(channel.clone()), number(channel)]).collect()))
        }
        "NUMPAT" => Ok(count(listeners().map(|one| one.patterns.len()).sum())),
        _ => Err(call.unknown_part("PUBSUB")),
    }
}
