//! Rules are read back as they were asked for, and what cannot be read is not left out.

use super::super::Family;
use super::super::rule::{Hook, Match, Protocol, Rule, Verdict, new_chain, new_rule};
use super::*;

/// What a request asks for, as the kernel would list it: behind the header the same parts.
fn asked(request: Request) -> Vec<u8> {
    request.body().to_vec()
}

#[test]
fn what_is_asked_for_is_read_back_in_the_same_words() {
    let when = [
        vec![Match::From("docker0".into())],
        vec![Match::NotFrom("docker0".into()), Match::Port(Protocol::Tcp, 8080)],
        vec![Match::To("br-1".into()), Match::Established],
        vec![Match::NotTo("br-1".into()), Match::Translated],
        vec![Match::Source("172.17.0.0".parse().unwrap(), 16), Match::Port(Protocol::Udp, 53)],
        vec![Match::NotDestination("127.0.0.0".parse().unwrap(), 8), Match::ToThisHost],
        vec![Match::Source("172.17.0.64".parse().unwrap(), 26)],
    ];
    let then =
        [Verdict::Accept, Verdict::Drop, Verdict::Jump("ports"), Verdict::Masquerade, Verdict::Translate("10.0.0.2:80".parse().unwrap())];
    for (when, then) in when.iter().flat_map(|when| then.iter().map(move |then| (when, then))) {
        let one = Rule { chain: "c", when: when.clone(), then: then.clone(), comment: Some("why".into()) };
        let (owner, chain, text) = rule(&asked(new_rule(Family::Ip, "t", &one))).unwrap();
        assert_eq!((owner, chain.as_str()), (("ip".to_owned(), "t".to_owned()), "c"));
        assert_eq!(text, format!("{one} comment \"why\""));
    }
    let six = |when: Match, then| {
        let one = Rule { chain: "c", when: vec![when], then, comment: None };
        rule(&asked(new_rule(Family::Ip6, "t", &one))).unwrap().2
    };
    let to = Verdict::Translate("[fd00::2]:80".parse().unwrap());
    assert_eq!(six(Match::Source("fd00::".parse().unwrap(), 64), to), "ip6 saddr fd00::/64 dnat to [fd00::2]:80");
    assert_eq!(six(Match::Destination("fd00::1".parse().unwrap(), 128), Verdict::Drop), "ip6 daddr fd00::1 drop");
}

#[test]
fn what_a_rule_means_beyond_what_is_read_is_not_left_out() {
    let compared = |held: Held, mask: Option<&[u8]>, value: &[u8]| {
        let mut said = Said { protocol: Some(6), ..Said::default() };
        let known = said.compared(&held, mask, libc::NFT_CMP_EQ, value).is_some();
        (known, said.words.join(" "))
    };
    let unknown = (false, String::new());
    let network = libc::NFT_PAYLOAD_NETWORK_HEADER as u32;
    // Two addresses at once, a mask with holes, a part of a mark, a part of a port.
    assert_eq!(compared(Held::Header(network, 12, 8), None, &[10, 0, 0, 1, 10, 0, 0, 2]), unknown);
    assert_eq!(compared(Held::Header(network, 12, 4), Some(&[255, 0, 255, 0]), &[10, 0, 1, 0]), unknown);
    assert_eq!(compared(Held::Meta(libc::NFT_META_MARK as u32), Some(&[255, 0, 0, 0]), &[1, 0, 0, 0]), unknown);
    assert_eq!(compared(Held::Header(libc::NFT_PAYLOAD_TRANSPORT_HEADER as u32, 2, 2), Some(&[255, 0]), &[0, 80]), unknown);
    assert_eq!(
        compared(Held::Header(network, 16, 4), Some(&[255, 255, 240, 0]), &[10, 0, 16, 0]).1,
        "meta l4proto tcp ip daddr 10.0.16.0/20"
    );
}

#[test]
fn chains_have_their_hooks_and_the_names_of_their_priorities() {
    let said = |hook| chain(&asked(new_chain(Family::Ip, "t", "c", hook))).unwrap().1.hook;
    assert_eq!(said(Some(Hook::Prerouting)), "type nat hook prerouting priority dstnat; policy accept;");
    assert_eq!(said(Some(Hook::Output)), "type nat hook output priority -100; policy accept;");
    assert_eq!(said(Some(Hook::Postrouting)), "type nat hook postrouting priority srcnat; policy accept;");
    assert_eq!(said(Some(Hook::Forward)), "type filter hook forward priority filter; policy accept;");
    assert_eq!(said(None), "");
}

#[test]
fn what_is_not_known_is_named_and_what_is_cut_is_survived() {
    let request = Request::new(0, 0, &part(2, 0)).text(attr::RULE_TABLE, "t").text(attr::RULE_CHAIN, "c");
    let element = |name: &'static str| {
        move |list: Request| list.nested(attr::LIST_ELEM, |one| one.text(attr::EXPR_NAME, name).nested(attr::EXPR_DATA, |data| data))
    };
    let body = asked(request.nested(attr::RULE_EXPRESSIONS, |list| element("cmp")(element("lookup")(list))));
    assert_eq!(rule(&body).unwrap().2, "[lookup] [cmp]");
    let one = Rule { chain: "c", when: vec![Match::Port(Protocol::Tcp, 80), Match::Established], then: Verdict::Drop, comment: None };
    let body = asked(new_rule(Family::Ip, "t", &one));
    for cut in 0..body.len() {
        let _ = (rule(&body[..cut]), chain(&body[..cut]), table(&body[..cut]));
    }
}
