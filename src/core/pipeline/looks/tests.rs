use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::score::policy::Policy;

const IDLE: Situation = loaded(0.0);

const fn loaded(load: f64) -> Situation {
    let behind = Behind { load: Load(load), rest: Duration::ZERO };
    Situation { behind, deadline: Deadline(None), together: 1 }
}

/// The first declared category, and gates with one look at photos whose probability for it is 0.1 to 0.9.
fn gates(profile: &str, share: f64, serves: bool) -> (Category, Gates) {
    let shipped = include_str!("../../../../models/policy.toml");
    let category = Policy::parse(shipped).unwrap().categories[0].category;
    let mut document: toml::Table = shipped.parse().unwrap();
    document.remove("looks");
    let looks = format!(
        "[looks]\nprofile = \"{profile}\"\n[[looks.images]]\nmodels = [\"again\"]\nshare = {share:?}\nbands = {{ {category} = {{ from = 0.1, to = 0.9 }} }}\n"
    );
    document.extend(looks.parse::<toml::Table>().unwrap());
    let policy = Policy::parse(&document.to_string()).unwrap();
    (category, Gates::new(&policy.looks, Modality::Images, |_| serves))
}

fn seen(category: Category, logit: f64) -> PerCategory<Logit> {
    let mut seen = PerCategory::default();
    seen.set(category, Logit(logit));
    seen
}

#[test]
fn a_profile_says_what_is_looked_at_again() {
    let looked = |profile: &str, logit: f64| {
        let (category, gates) = gates(profile, 1.0, true);
        gates.next(1, &seen(category, logit), &[category], IDLE)
    };
    assert_eq!([looked("fast", 0.0), looked("fast", 5.0)], [Next::Done, Next::Done]);
    assert_eq!([looked("balanced", 0.0), looked("balanced", 5.0)], [Next::Look, Next::Done]);
    assert_eq!([looked("thorough", 0.0), looked("thorough", 5.0)], [Next::Look, Next::Look]);
}

#[test]
fn after_the_last_look_a_photo_is_done_and_a_look_without_models_is_said_to_be_absent() {
    let (category, gates_there) = gates("thorough", 1.0, true);
    assert_eq!(gates_there.next(2, &seen(category, 0.0), &[category], IDLE), Next::Done);
    let (category, gates) = gates("balanced", 1.0, false);
    assert_eq!(gates.next(1, &seen(category, 0.0), &[category], IDLE), Next::LeaveOut(LeftOut::Absent));
    assert_eq!(gates.next(1, &seen(category, 5.0), &[category], IDLE), Next::Done);
}

#[test]
fn looks_are_given_up_well_before_the_queue_is_full_whatever_the_profile() {
    for profile in ["balanced", "thorough"] {
        let (category, gates) = gates(profile, 1.0, true);
        let at = |load| gates.next(1, &seen(category, 1.0), &[category], loaded(load));
        assert_eq!(at(0.15), Next::Look);
        assert_eq!(at(0.6), Next::LeaveOut(LeftOut::Busy), "{profile}");
    }
    // The middle of the band is given up last.
    let (category, gates) = gates("balanced", 1.0, true);
    let at = |logit, load| gates.next(1, &seen(category, logit), &[category], loaded(load));
    assert_eq!(at(2.0, 0.4), Next::LeaveOut(LeftOut::Busy));
    assert_eq!(at(0.0, 0.4), Next::Look);
}

#[test]
fn who_would_not_wait_for_a_look_is_answered_without_it() {
    let (category, gates) = gates("thorough", 1.0, true);
    let within = |ms, together| {
        let deadline = Deadline(Some(Instant::now() + Duration::from_millis(ms)));
        gates.next(1, &seen(category, 0.0), &[category], Situation { deadline, together, ..IDLE })
    };
    assert_eq!(within(20, 1), Next::Look, "nobody knows yet how long it takes");
    gates.took(1, Duration::from_millis(80));
    assert_eq!(within(200, 1), Next::LeaveOut(LeftOut::Late));
    assert_eq!(within(1000, 1), Next::Look);
    assert_eq!(within(1000, 8), Next::LeaveOut(LeftOut::Late), "eight share a run");
    // What waits of the same listing has its time first.
    let rest = |ms| {
        let behind = Behind { rest: Duration::from_millis(ms), ..IDLE.behind };
        let deadline = Deadline(Some(Instant::now() + Duration::from_secs(1)));
        gates.gates[0].1.gives_way(Situation { behind, deadline, together: 1 })
    };
    assert_eq!([rest(0), rest(900)], [None, Some(LeftOut::Late)]);
    // A slow spell is forgotten, although nobody takes the look meanwhile.
    let tries = (0..400).take_while(|_| within(200, 1) != Next::Look).count();
    assert!((10..400).contains(&tries), "{tries}");
}

#[test]
fn no_larger_share_than_the_budget_takes_a_look_and_the_deepest_doubt_does() {
    for share in [0.02, 0.1, 0.3] {
        let (category, gates) = gates("balanced", share, true);
        let mut taken: BTreeMap<bool, u32> = BTreeMap::new();
        for round in 0..20_000 {
            // Even over the whole range, and in no order.
            let logit = (f64::from(round) * 0.618_033_988_75).fract() * 8.0 - 4.0;
            let next = gates.next(1, &seen(category, logit), &[category], IDLE);
            if next == Next::Look && round >= 500 {
                *taken.entry(logit.abs() < 1.1).or_default() += 1;
            }
        }
        let all: u32 = taken.values().sum();
        assert!(f64::from(all) <= 19_500.0 * share * 1.1, "{all} of 19500 at {share}");
        assert!(f64::from(all) >= 19_500.0 * share * 0.9, "{all} of 19500 at {share}");
        assert!(taken.get(&true) >= taken.get(&false), "{taken:?}");
    }
}

#[test]
fn where_all_are_in_the_deepest_doubt_no_larger_share_takes_a_look_either() {
    let (category, gates) = gates("balanced", 0.05, true);
    let taken = |_: &u32| gates.next(1, &seen(category, 0.0), &[category], IDLE) == Next::Look;
    let all = (0..10_000_u32).filter(taken).count();
    assert!((500..=650).contains(&all), "{all} of 10000, a hundred of them saved up");
}

#[test]
fn reading_ends_while_there_is_time_to_answer_and_gives_way_to_others() {
    let shipped = Policy::parse(include_str!("../../../../models/policy.toml")).unwrap();
    let mut gate = WordsGate::new(&shipped.looks, true).unwrap();
    let (now, second) = (Instant::now(), Duration::from_secs(1));
    let Deadline(Some(ends)) = WordsGate::ends(Deadline(Some(now + second))) else { panic!("no end") };
    assert!(ends > now && ends <= now + second * 3 / 4, "{:?}", ends - now);
    assert_eq!(gate.gives_way(IDLE.behind, Deadline(None)), None);
    assert_eq!(gate.gives_way(IDLE.behind, Deadline(Some(now))), Some(LeftOut::Late));
    assert_eq!(gate.gives_way(loaded(0.7).behind, Deadline(None)), Some(LeftOut::Busy));
    gate.spend(Spending::unlimited(Profile::Thorough));
    assert_eq!(gate.gives_way(loaded(0.7).behind, Deadline(None)), None, "who evaluates waits for nobody");
}

proptest! {
    #[test]
    fn more_load_never_heeds_less_doubt(doubt in 0.0..1.0, load in 0.0..1.0, more in 0.0..1.0) {
        let (_, gates) = gates("balanced", 1.0, true);
        let (_, gate) = &gates.gates[0];
        if gate.decide(doubt, loaded(load + more), true) == Next::Look {
            prop_assert_eq!(gate.decide(doubt, loaded(load), true), Next::Look);
        }
    }
}
