use std::sync::Arc;
use std::time::Duration;

use interlingua_filters::Dialect;
use interlingua_filters::dialects::Quirks;
use proptest::prelude::*;

use super::*;
use crate::config::{AuthStyle, BaseUrl, Platform, StreamMode, Timeouts, Upstream};

fn upstream(id: &str, dialect: Dialect) -> Arc<Upstream> {
    let second = Duration::from_secs(1);
    Arc::new(Upstream {
        id: id.to_owned(),
        provider: None,
        dialect,
        base_url: BaseUrl::parse("https://provider.example").unwrap(),
        auth: AuthStyle::None,
        quirks: Quirks::default(),
        platform: Platform::Direct,
        unsupported: Arc::from([]),
        headers: Vec::new(),
        proxy: None,
        timeouts: Timeouts {
            connect: second,
            total_connect: second,
            first_byte: second,
            idle: second,
            write: second,
            total: second,
        },
        stream: StreamMode::AsClient,
        count_tokens: true,
    })
}

fn target(upstreams: &[(&str, Dialect)], model: &str, choice: DialectChoice) -> Target {
    Target {
        upstreams: upstreams.iter().map(|(id, dialect)| upstream(id, *dialect)).collect(),
        model: Template::parse(model, WILDCARDS_MAX).unwrap(),
        choice,
    }
}

fn draft(pattern: &str, model: &str, fallbacks: Vec<Fallback>) -> Draft {
    let target = target(&[(pattern, Dialect::Anthropic)], model, DialectChoice::PreferOwn);
    Draft {
        pattern: Pattern::parse(pattern).unwrap(),
        target,
        fallbacks,
        large_output: None,
        background: None,
        list: Vec::new(),
    }
}

fn to(name: &str) -> Fallback {
    on(FallbackTo::Model(name.to_owned()), Causes::USUAL)
}

fn on(to: FallbackTo, on: Causes) -> Fallback {
    Fallback { to, on }
}

fn table(drafts: &[Draft]) -> Table {
    Table::build(drafts, true).unwrap()
}

fn plain(patterns: &[&str]) -> Table {
    table(&patterns.iter().map(|pattern| draft(pattern, "{0}", Vec::new())).collect::<Vec<_>>())
}

fn rule_of(table: &Table, model: &str) -> Option<String> {
    table.resolve(model, Dialect::Anthropic).map(|route| route.rule)
}

fn model_of(table: &Table, model: &str) -> Option<String> {
    table.resolve(model, Dialect::Anthropic).map(|route| route.steps[0].model.clone())
}

fn faults(drafts: &[Draft]) -> Vec<String> {
    Table::build(drafts, true).unwrap_err().iter().map(|error| format!("{}: {}", error.rule, error.fault)).collect()
}

#[test]
fn exact_names_win_over_any_pattern() {
    let table = plain(&["*", "gpt-5*", "gpt-5-mini*", "gpt-5"]);
    assert_eq!(rule_of(&table, "gpt-5").as_deref(), Some("gpt-5"));
    assert_eq!(rule_of(&table, "gpt-5-mini").as_deref(), Some("gpt-5-mini*"));
    assert_eq!(rule_of(&table, "gpt-5-pro").as_deref(), Some("gpt-5*"));
    assert_eq!(rule_of(&table, "o3").as_deref(), Some("*"));
}

#[test]
fn wire_140_most_literal_characters_win_then_the_order_of_declaration() {
    let table = plain(&["cla*nne*", "claude-*", "*-sonnet", "claude-*-4*"]);
    assert_eq!(rule_of(&table, "claude-x-sonnet").as_deref(), Some("claude-*"));
    assert_eq!(rule_of(&table, "claude-opus-4-6").as_deref(), Some("claude-*-4*"));
    let table = plain(&["a*c", "ab*"]);
    assert_eq!(rule_of(&table, "abc").as_deref(), Some("a*c"));
    let table = plain(&["ab*", "a*c"]);
    assert_eq!(rule_of(&table, "abc").as_deref(), Some("ab*"));
    // Characters count, not bytes.
    let table = plain(&["ab*", "é*"]);
    assert_eq!(rule_of(&table, "é"), Some("é*".to_owned()));
    let table = plain(&["*bc", "é*"]);
    assert_eq!(rule_of(&table, "ébc"), Some("*bc".to_owned()));
}

#[test]
fn wire_140_places_and_modes_are_taken_off_before_matching() {
    assert_eq!(normalise("models/gemini-3-pro"), "gemini-3-pro");
    assert_eq!(normalise("publishers/google/models/gemini-3-pro"), "gemini-3-pro");
    assert_eq!(normalise("projects/p/locations/global/publishers/anthropic/models/claude-x"), "claude-x");
    assert_eq!(normalise("claude-opus-4-6[1m]"), "claude-opus-4-6");
    assert_eq!(normalise("models/claude-opus-4-6[1M]"), "claude-opus-4-6");
    assert_eq!(normalise("org/models/x"), "org/models/x");
    assert_eq!(normalise("models/models/x"), "models/x");
    let table = plain(&["claude-opus-4-6", "gemini-*"]);
    assert_eq!(model_of(&table, "claude-opus-4-6[1m]").as_deref(), Some("claude-opus-4-6"));
    assert_eq!(model_of(&table, "models/gemini-3-pro").as_deref(), Some("gemini-3-pro"));
    assert_eq!(faults(&[draft("models/*", "{0}", vec![])]).len(), 1);
    assert_eq!(faults(&[draft("claude-*[1m]", "{0}", vec![])]).len(), 1);
}

#[test]
fn captures_go_into_the_target() {
    let table = table(&[
        draft("openai/*", "{1}", vec![]),
        draft("a*b*c", "{2}+{1}+{0}", vec![]),
        draft("fast", "gpt-5-mini", vec![]),
    ]);
    assert_eq!(model_of(&table, "openai/gpt-5").as_deref(), Some("gpt-5"));
    assert_eq!(model_of(&table, "a1b2b3c").as_deref(), Some("2b3+1+a1b2b3c"));
    assert_eq!(model_of(&table, "fast").as_deref(), Some("gpt-5-mini"));
}

#[test]
fn a_rule_that_would_ask_for_no_model_does_not_match() {
    let table = table(&[draft("openai/*", "{1}", vec![]), draft("*", "any", vec![])]);
    assert_eq!(rule_of(&table, "openai/").as_deref(), Some("*"));
    assert_eq!(rule_of(&table, ""), None);
    assert_eq!(rule_of(&table, "models/"), None);
    assert_eq!(rule_of(&table, &"x".repeat(MODEL_BYTES_MAX)).as_deref(), Some("*"));
    assert_eq!(rule_of(&table, &"x".repeat(MODEL_BYTES_MAX + 1)), None);
}

#[test]
fn templates_are_checked_against_the_pattern() {
    assert_eq!(Template::parse("", 1), Err(TemplateError::Empty));
    assert_eq!(Template::parse("{2}", 1), Err(TemplateError::NoSuchWildcard { capture: 2, wildcards: 1 }));
    for bad in ["{", "}", "{}", "{x}", "{10}", "a{1", "a}b{1}", "{{1}}"] {
        assert_eq!(Template::parse(bad, 1), Err(TemplateError::Brace), "{bad}");
    }
    assert_eq!(Template::parse("gpt-*", 1), Err(TemplateError::Star));
    assert_eq!(Template::parse("a b", 1), Err(TemplateError::Space));
}

#[test]
fn patterns_that_cannot_be_meant_are_refused() {
    assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
    assert_eq!(Pattern::parse("a**"), Err(PatternError::DoubleStar));
    assert_eq!(Pattern::parse("a b"), Err(PatternError::Space));
    assert_eq!(Pattern::parse(&"*a".repeat(WILDCARDS_MAX + 1)), Err(PatternError::TooManyWildcards));
    assert!(Pattern::parse(&"*a".repeat(WILDCARDS_MAX)).is_ok());
}

#[test]
fn the_clients_own_dialect_comes_first_so_that_nothing_is_translated_without_need() {
    let both = [("chat", Dialect::OpenAiChat), ("claude", Dialect::Anthropic), ("responses", Dialect::OpenAiResponses)];
    let ids = |choice, client| {
        let draft = Draft { target: target(&both, "{0}", choice), ..draft("*", "{0}", vec![]) };
        let route = table(&[draft]).resolve("m", client).unwrap();
        route.steps[0].upstreams.iter().map(|upstream| upstream.id.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids(DialectChoice::PreferOwn, Dialect::OpenAiResponses), "responses chat claude");
    assert_eq!(ids(DialectChoice::PreferOwn, Dialect::Gemini), "chat claude responses");
    assert_eq!(ids(DialectChoice::OwnIfOffered, Dialect::Anthropic), "claude");
    assert_eq!(ids(DialectChoice::OwnIfOffered, Dialect::Gemini), "chat claude responses");
    assert_eq!(ids(DialectChoice::AsDeclared, Dialect::Anthropic), "chat claude responses");
}

fn steps(table: &Table, model: &str) -> String {
    let route = table.resolve(model, Dialect::Gemini).unwrap();
    let step = |step: &Step| format!("{}:{}", step.upstreams[0].id, step.model);
    route.steps.iter().map(step).collect::<Vec<_>>().join(" ")
}

#[test]
fn fallbacks_follow_the_target_with_their_own_upstreams_and_captures() {
    let own = FallbackTo::Target(target(&[("spare", Dialect::Gemini)], "spare-{1}", DialectChoice::PreferOwn));
    let own = on(own, Causes::USUAL);
    let drafts = [
        draft("big-*", "{0}", vec![own, to("small-one")]),
        draft("small-*", "s-{1}", vec![to("tiny")]),
        draft("tiny", "t", vec![]),
    ];
    let built = table(&drafts);
    assert_eq!(steps(&built, "big-x"), "big-*:big-x spare:spare-x small-*:s-one tiny:t");
    assert_eq!(steps(&built, "small-y"), "small-*:s-y tiny:t");
    let without = Table::build(&drafts, false).unwrap();
    assert_eq!(steps(&without, "big-x"), "big-*:big-x");
}

/// The steps that a request takes which meets `causes` at each.
fn way(route: &Route, causes: &[Cause]) -> String {
    let (mut at, mut seen, mut way) = (0, 0, vec![route.steps[0].model.clone()]);
    for cause in causes {
        let Some(next) = route.next(at, Causes::NONE.with(*cause), seen) else { break };
        seen |= 1 << at;
        at = next;
        way.push(route.steps[at].model.clone());
    }
    way.join(" ")
}

#[test]
fn a_request_goes_on_to_the_first_fallback_for_its_cause() {
    use Cause::{ContentPolicy, ContextLength, Limits, Unavailable};
    let spare = |model, causes: &[Cause]| {
        let target = target(&[("spare", Dialect::Gemini)], model, DialectChoice::PreferOwn);
        on(FallbackTo::Target(target), causes.iter().copied().collect())
    };
    let drafts = [
        draft("a", "a", vec![spare("long", &[ContextLength]), to("b"), spare("mild", &[ContentPolicy, Unavailable])]),
        draft("b", "b", vec![spare("b-long", &[ContextLength]), spare("b-more", &[Limits])]),
    ];
    let built = table(&drafts);
    let route = built.resolve("a", Dialect::Gemini).unwrap();
    assert_eq!(way(&route, &[Limits, Limits, Limits]), "a b b-more");
    assert_eq!(way(&route, &[Unavailable, Unavailable, Limits]), "a b mild");
    assert_eq!(way(&route, &[ContextLength, ContextLength]), "a long", "a fallback of b is reached through b alone");
    assert_eq!(way(&route, &[ContextLength, Limits, ContextLength]), "a long b b-long");
    assert_eq!(way(&route, &[ContentPolicy, ContentPolicy]), "a mild");
    assert_eq!(way(&route, &[Limits, ContentPolicy, Unavailable]), "a b mild");
    let without = Table::build(&drafts, false).unwrap().resolve("a", Dialect::Gemini).unwrap();
    for cause in Cause::ALL {
        assert_eq!(way(&without, &[cause]), "a");
    }
}

#[test]
fn what_stands_first_is_followed_by_the_target_for_every_cause() {
    let place = |model: &str| target(&[("aside", Dialect::Gemini)], model, DialectChoice::PreferOwn);
    let mut rule = draft("big-*", "{0}", vec![to("b")]);
    rule.large_output = Some(LargeOutput { over: 100, to: place("wide-{1}") });
    rule.background = Some(place("small"));
    let built = table(&[rule, draft("b", "b", vec![])]);
    let route = || built.resolve("big-x", Dialect::Gemini).unwrap();
    let shaped = |look: Option<&Look>, signs, cap| {
        let mut route = route();
        let sign = route.shape(look, signs, cap);
        (sign, route)
    };
    let (sign, plain) = shaped(None, Signs::ALL, Some(100));
    assert_eq!((sign, plain.steps[0].kind, plain.steps.len()), (None, StepKind::Target, 2));
    let (_, wide) = shaped(None, Signs::ALL, Some(101));
    assert_eq!((wide.steps[0].kind, wide.steps[0].model.as_str()), (StepKind::LargeOutput, "wide-x"));
    for cause in Cause::ALL {
        assert!(way(&wide, &[cause, Cause::Limits]).starts_with("wide-x big-x b"), "{cause:?}");
        assert_eq!(way(&wide, &[cause, Cause::ContextLength]), "wide-x big-x");
    }
    let quota = Look { cap: Some(1), user: vec!["quota".to_owned()], ..Look::default() };
    let (sign, small) = shaped(Some(&quota), Signs::ALL, Some(1));
    assert_eq!((sign, small.steps[0].kind), (Some(Sign::Quota), StepKind::Background));
    let (sign, off) = shaped(Some(&quota), Signs::from_iter([Sign::Title]), Some(1));
    assert_eq!((sign, off.steps[0].kind), (None, StepKind::Target));
    let mut last = route();
    last.put_last(Step::new(Vec::new(), "last".to_owned(), StepKind::SafeMode));
    assert_eq!(way(&last, &[Cause::ContentPolicy]), "big-x last");
    // A rule whose place would ask for the model of no name does not match.
    let mut rule = draft("x-*", "{0}", vec![]);
    rule.background = Some(place("{1}"));
    let built = table(&[rule]);
    assert!(built.resolve("x-", Dialect::Gemini).is_none() && built.resolve("x-y", Dialect::Gemini).is_some());
}

#[test]
fn steps_that_are_left_out_leave_no_gap() {
    let drafts = [
        draft("a", "a", vec![to("b"), to("d")]),
        draft("b", "b", vec![to("c")]),
        draft("c", "c", vec![]),
        draft("d", "d", vec![]),
    ];
    let built = table(&drafts);
    for gone in 0_u32..16 {
        let mut route = built.resolve("a", Dialect::Gemini).unwrap();
        let kept: Vec<String> = route.steps.iter().map(|step| step.model.clone()).collect();
        let is_kept = |model: &str| gone & 1 << kept.iter().position(|known| known == model).unwrap() == 0;
        route.retain(|step| is_kept(&step.model));
        let wanted: Vec<&str> = kept.iter().map(String::as_str).filter(|model| is_kept(model)).collect();
        if !wanted.is_empty() {
            assert_eq!(way(&route, &[Cause::Limits; 4]), wanted.join(" "));
        }
    }
}

#[test]
fn fallbacks_in_a_circle_are_told_once_for_each_rule_of_the_circle() {
    let drafts = [("a", "b"), ("b", "c"), ("c", "b")].map(|(from, next)| draft(from, "{0}", vec![to(next)]));
    let faults = faults(&drafts);
    assert_eq!(
        faults,
        ["1: the fallbacks go round in a circle: b → c → b", "2: the fallbacks go round in a circle: c → b → c"]
    );
}

#[test]
fn what_leads_nowhere_is_told() {
    assert_eq!(faults(&[draft("a", "{0}", vec![to("b")])]), ["0: no rule takes the model `b`"]);
    let twice = [draft("a", "{0}", vec![]), draft("a", "x", vec![])];
    assert_eq!(faults(&twice), ["1: the pattern is declared twice; this one would never be used"]);
    let one = || FallbackTo::Target(target(&[("u", Dialect::Gemini)], "x", DialectChoice::PreferOwn));
    let many = (0..STEPS_MAX).map(|_| on(one(), Causes::USUAL));
    let many: Vec<Fallback> = many.collect();
    assert!(Table::build(&[draft("a", "{0}", many[1..].to_vec())], true).is_ok());
    assert_eq!(faults(&[draft("a", "{0}", many)]).len(), 1);
}

#[test]
fn listed_names_are_those_that_some_rule_serves() {
    let mut all = draft("gpt-*", "{0}", vec![]);
    all.list = vec!["gpt-5".to_owned(), "fast".to_owned(), "gpt-5".to_owned()];
    let fast = draft("fast", "{0}", vec![]);
    assert_eq!(table(&[all.clone(), fast]).listed(), ["gpt-5", "fast"]);
    assert_eq!(faults(&[all]), ["0: `fast` is listed here, but no rule takes it"]);
}

/// The definition: each star tries the shortest text first.
fn naive<'n>(pattern: &str, name: &'n str) -> Option<Vec<&'n str>> {
    let Some(first) = pattern.chars().next() else { return name.is_empty().then(Vec::new) };
    let rest = &pattern[first.len_utf8()..];
    if first != '*' {
        return naive(rest, name.strip_prefix(first)?);
    }
    let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
    ends.into_iter().find_map(|end| {
        let mut captures = naive(rest, &name[end..])?;
        captures.insert(0, &name[..end]);
        Some(captures)
    })
}

proptest! {
    #[test]
    fn the_matcher_agrees_with_the_definition(pattern in "[abé*]{1,10}", name in "[abé]{0,14}") {
        if let Ok(parsed) = Pattern::parse(&pattern) {
            let fast = parsed.captures(&name).map(|captures| {
                (1..=parsed.wildcards()).map(|index| captures.get(index)).collect::<Vec<_>>()
            });
            prop_assert_eq!(fast, naive(&pattern, &name));
        }
    }

    #[test]
    fn the_rule_found_is_the_best_of_those_that_match(
        patterns in proptest::collection::hash_set("[ab*]{1,5}", 1..8),
        name in "[ab]{1,6}",
    ) {
        let mut patterns: Vec<String> = patterns.into_iter().filter(|pattern| Pattern::parse(pattern).is_ok()).collect();
        patterns.sort();
        let table = plain(&patterns.iter().map(String::as_str).collect::<Vec<_>>());
        let stars = |pattern: &str| pattern.matches('*').count();
        let best = patterns
            .iter()
            .enumerate()
            .filter(|(_, pattern)| naive(pattern, &name).is_some())
            .min_by_key(|(at, pattern)| (stars(pattern) > 0, std::cmp::Reverse(pattern.len() - stars(pattern)), *at));
        prop_assert_eq!(rule_of(&table, &name), best.map(|(_, pattern)| pattern.clone()));
    }

    #[test]
    fn any_name_has_an_answer(name in "\\PC{0,40}") {
        let table = plain(&["*a*", "models*", "x/*"]);
        let _ = table.resolve(&name, Dialect::OpenAiChat);
        prop_assert!(name.contains(normalise(&name)));
    }

    #[test]
    fn any_template_is_read_or_refused(text in "[a{}0-9*]{0,8}", wildcards in 0_usize..10) {
        if let Ok(template) = Template::parse(&text, wildcards) {
            let pattern = Pattern::parse("*").unwrap();
            let filled = template.fill(&pattern.captures("m").unwrap());
            prop_assert_eq!(filled.find('{'), None);
        }
    }
}
