//! The targets, and the table that the long form prints.
//!
//! The quick form runs some seeds of each world. `INTERLINGUA_SIMULATION_SEEDS` is for more of them, and then the worlds last
//! longer too: `make simulation`; but for `INTERLINGUA_SIMULATION_MINUTES` if that is set. With `INTERLINGUA_SIMULATION_LOOK`
//! nothing is judged, and more is told.

use interlingua_filters::Dialect;

use super::figures::{Figures, HEAD};
use super::meter::Renewal;
use super::provider::{Poison, Told};
use super::setups;
use super::world::{Setup, World};

/// Seeds of the quick form.
const SEEDS: u64 = 2;
/// Minutes of virtual time of the quick form, and of the long one.
const MINUTES: (u64, u64) = (8, 360);

fn long(what: &str) -> Option<u64> {
    std::env::var(format!("INTERLINGUA_SIMULATION_{what}")).ok()?.parse().ok()
}

/// Runs a world for each seed, prints its line, and looks at its figures.
fn each(name: &str, world: impl Fn(u64, u64) -> Setup, target: impl Fn(&Figures)) {
    let (seeds, minutes) = long("SEEDS").map_or((SEEDS, MINUTES.0), |seeds| (seeds, MINUTES.1));
    let minutes = long("MINUTES").unwrap_or(minutes);
    println!("{:<40} seed {HEAD}", "world");
    for seed in 1..=seeds {
        let figures = World::new(world(seed, minutes)).run();
        println!("{name:<40} {seed:>4} {figures}");
        if std::env::var_os("INTERLINGUA_SIMULATION_LOOK").is_some() {
            let missed = figures.again_missed();
            let some: Vec<_> = missed.iter().take(12).collect();
            println!(
                "    (said, truth from, to): worst {:?}, {} missed, as {some:?}",
                figures.again_worst(),
                missed.len()
            );
        }
        if std::env::var_os("INTERLINGUA_SIMULATION_LOOK").is_none() {
            target(&figures);
        }
    }
}

/// 95 % of the limits: all is served, and limits are hit no more often than that.
fn below(figures: &Figures, refused_max: f64) {
    assert!(figures.goodput() >= 0.999, "goodput {}", figures.goodput());
    assert!(figures.refused_part() <= refused_max, "refused {}", figures.refused_part());
    assert_eq!(figures.failures.get(&429), None, "clients saw 429");
}

/// 150 % of the limits: all that the limits allow is served, they are hit no more often than that, and this part of those who
/// are refused is told when to come again.
fn above(figures: &Figures, refused_max: f64, right_min: f64) {
    assert!(figures.of_limit >= 0.99, "{} of the limit", figures.of_limit);
    assert!(figures.failures.keys().all(|status| *status == 429), "{:?}", figures.failures);
    assert!(figures.refused_part() <= refused_max, "refused {}", figures.refused_part());
    let (right, worst) = (figures.again_right(), figures.again_worst());
    assert!(right >= right_min, "retry-after: {right} right, (said, truth from, to) {worst:?}");
}

fn limits(percent: u64, target: fn(&Figures), tokens: bool, renewal: Renewal, told: Told) {
    let plan = if tokens { setups::by_tokens(told, renewal) } else { setups::by_requests(told, renewal) };
    for dialect in [Dialect::Anthropic, Dialect::OpenAiChat] {
        let name =
            format!("{percent} % {} {renewal:?} {told:?} {dialect:?}", if tokens { "tokens" } else { "requests" });
        each(&name, |seed, minutes| setups::limited(seed, percent, minutes, dialect, &plan), target);
    }
}

#[test]
fn at_95_percent_of_told_requests_a_minute_no_limit_is_hit() {
    limits(95, |figures| below(figures, 0.001), false, Renewal::Bucket, Told::Headers);
}

#[test]
fn at_95_percent_of_told_tokens_a_minute_no_limit_is_hit() {
    limits(95, |figures| below(figures, 0.001), true, Renewal::Bucket, Told::Headers);
}

#[test]
fn at_95_percent_of_told_windows_no_limit_is_hit() {
    limits(95, |figures| below(figures, 0.001), false, Renewal::Window, Told::Headers);
}

#[test]
fn at_95_percent_of_limits_that_only_refusals_tell() {
    limits(95, |figures| below(figures, 0.009), false, Renewal::Bucket, Told::Hints);
}

#[test]
fn at_95_percent_of_limits_that_nobody_tells() {
    limits(95, |figures| below(figures, 0.006), false, Renewal::Bucket, Told::Nothing);
}

#[test]
fn at_95_percent_of_tokens_that_only_refusals_tell() {
    limits(95, |figures| below(figures, 0.025), true, Renewal::Bucket, Told::Hints);
    limits(95, |figures| below(figures, 0.02), true, Renewal::Bucket, Told::Nothing);
}

#[test]
fn at_95_percent_of_windows_that_only_refusals_tell() {
    limits(95, |figures| below(figures, 0.017), false, Renewal::Window, Told::Hints);
}

#[test]
fn at_150_percent_of_tokens_that_only_refusals_tell() {
    limits(150, |figures| above(figures, 0.1, 0.9), true, Renewal::Bucket, Told::Hints);
    limits(150, |figures| above(figures, 0.08, 0.0), true, Renewal::Bucket, Told::Nothing);
}

#[test]
fn at_150_percent_of_told_requests_a_minute_all_of_the_limit_is_used() {
    limits(150, |figures| above(figures, 0.001, 1.0), false, Renewal::Bucket, Told::Headers);
}

#[test]
fn at_150_percent_of_told_tokens_a_minute_all_of_the_limit_is_used() {
    limits(150, |figures| above(figures, 0.01, 0.999), true, Renewal::Bucket, Told::Headers);
}

#[test]
fn at_150_percent_of_told_windows_all_of_the_limit_is_used() {
    limits(150, |figures| above(figures, 0.001, 1.0), false, Renewal::Window, Told::Headers);
}

#[test]
fn at_150_percent_of_limits_that_only_refusals_tell() {
    limits(150, |figures| above(figures, 0.025, 0.8), false, Renewal::Bucket, Told::Hints);
}

#[test]
fn at_150_percent_of_limits_that_nobody_tells() {
    limits(150, |figures| above(figures, 0.025, 0.5), false, Renewal::Bucket, Told::Nothing);
}

#[test]
fn sessions_find_their_prompt_caches() {
    let target = |figures: &Figures| {
        assert!(figures.cache_part() >= 0.99, "cache {}", figures.cache_part());
        assert_eq!(figures.failed(), 0);
    };
    each("sessions", |seed, minutes| setups::agents(seed, minutes * 2, false), target);
}

#[test]
fn sessions_find_their_prompt_caches_while_accounts_are_limited_in_turn() {
    let target = |figures: &Figures| {
        assert!(figures.cache_part() >= 0.965, "cache {}", figures.cache_part());
        assert_eq!(figures.failed(), 0);
    };
    each("sessions, limited in turn", |seed, minutes| setups::agents(seed, minutes * 2, true), target);
}

#[test]
fn lesson_1_a_poisoned_request_locks_nobody() {
    for poison in [Poison::Bare429, Poison::Status500, Poison::Status400] {
        let target = |figures: &Figures| {
            assert_eq!(figures.failed(), 0, "{poison:?}: {:?}", figures.failures);
            assert_eq!(figures.refused, 0, "{poison:?}: others were refused");
            // Until the third account has said the same, the first two may be to blame.
            let most = figures.poisoned.values().sum::<u64>() * 200;
            assert!(figures.locked_ms <= most, "{poison:?}: accounts were locked for {} ms", figures.locked_ms);
        };
        each(&format!("poisoned {poison:?}"), |seed, minutes| setups::poisoned(seed, minutes, poison), target);
    }
}

#[test]
fn a_wrong_key_a_used_up_quota_and_a_cut_network_are_not_seen() {
    for dialect in [Dialect::Anthropic, Dialect::OpenAiChat, Dialect::Gemini] {
        let target = |figures: &Figures| {
            assert_eq!(figures.failed(), 0, "{:?}", figures.failures);
            assert!(figures.refused_part() <= 0.006, "refused {}", figures.refused_part());
        };
        each(&format!("troubled {dialect:?}"), |seed, minutes| setups::troubled(seed, minutes, dialect), target);
    }
}

#[test]
fn daily_quotas_end_and_nobody_sees_it() {
    let target = |figures: &Figures| {
        assert_eq!(figures.failed(), 0, "{:?}", figures.failures);
        assert!(figures.refused_part() <= 0.01, "refused {}", figures.refused_part());
    };
    each("daily quotas", setups::daily, target);
}

#[test]
fn load_is_spread_evenly() {
    let target = |figures: &Figures| {
        assert!(figures.skew <= 1, "skew {}", figures.skew);
        assert!(figures.jain >= 0.99, "jain {}", figures.jain);
        assert_eq!(figures.failed(), 0);
    };
    each("even", setups::even, target);
}

#[test]
fn an_overloaded_provider_gets_less_and_a_second_one_serves() {
    // Breakers stop what an outage refuses within three seconds. An overload stops nothing: one or two requests at a time go on
    // finding out whether it lasts, and each refusal is quick.
    for (overload, refused_max) in [(40, 0.025), (100, 0.09)] {
        let target = |figures: &Figures| {
            assert!(figures.goodput() >= 0.99, "goodput {}", figures.goodput());
            assert!(figures.refused_part() <= refused_max, "refused {}", figures.refused_part());
        };
        each(&format!("stormy {overload} %"), |seed, minutes| setups::stormy(seed, minutes, overload), target);
    }
}

#[test]
fn everything_at_once_breaks_no_invariant() {
    let target = |figures: &Figures| {
        assert!(figures.goodput() >= 0.99, "goodput {}", figures.goodput());
        assert!(figures.refused_part() <= 0.03, "refused {}", figures.refused_part());
    };
    each("wild", setups::wild, target);
}

#[test]
fn the_same_seed_is_the_same_world() {
    let run = |seed| World::new(setups::wild(seed, 5)).run();
    let (one, again, other) = (run(7), run(7), run(8));
    assert_eq!((one.trace, one.steps), (again.trace, again.steps));
    assert_ne!(one.trace, other.trace);
}
