use super::*;

const START: Millis = Millis(1_760_000_000_000);

#[test]
fn only_who_could_not_be_reached_is_news() {
    let health = Health::default();
    assert!(!health.reached("u"));
    health.failed("u", false, START);
    health.failed("u", true, START.plus(10));
    let told = health.unreachable();
    let wanted = Unreachable { upstream: "u".into(), since_ms: START.0, failed: 2, looked_ms: Some(START.0 + 10) };
    assert_eq!(told, [wanted]);
    assert!(!health.reached("other"));
    assert!(health.reached("u") && !health.reached("u"));
    assert!(health.unreachable().is_empty());
}

#[test]
fn the_unreachable_and_the_suspects_are_looked_at_once_and_the_gone_are_forgotten() {
    let health = Health::default();
    for upstream in ["a", "b", "gone"] {
        health.failed(upstream, false, START);
    }
    assert_eq!(health.to_look_at(&["b", "c", "c"], |id| id != "gone"), ["a", "b", "c"]);
    assert_eq!(health.unreachable().len(), 2, "a suspect is not unreachable before a look has failed");
    assert!(!health.reached("c"));
}

#[test]
fn answers_are_connections_whatever_they_say() {
    for (transport, unreachable) in [
        (Transport::Dns, true),
        (Transport::Connect, true),
        (Transport::Proxy, true),
        (Transport::Tls, true),
        (Transport::Reset, false),
        (Transport::Timeout, false),
        (Transport::Truncated, false),
        (Transport::Empty, false),
        (Transport::Malformed, false),
    ] {
        assert_eq!(Health::is_unreachable(transport), unreachable, "{transport:?}");
    }
}
