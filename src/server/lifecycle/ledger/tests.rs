use proptest::prelude::*;
use wildwarden_core::domain::Declared;
use wildwarden_core::model::catalogue::choice::{Rules, Situation, choose};
use wildwarden_core::model::catalogue::fixtures::version;
use wildwarden_core::model::catalogue::named::together;
use wildwarden_core::model::folder::manifest::Kind;
use wildwarden_core::pipeline::generation::PolicyFile;

use super::*;

/// Two sizes of embedding, two heads, three versions of each; an image classifier would be another way to rate.
const UNIVERSE: [&str; 10] = [
    "image_encoder/1",
    "image_encoder/2",
    "image_encoder/3:64",
    "tusk/1",
    "tusk/2",
    "tusk/3:64",
    "wing/1",
    "wing/2:1280@2",
    "wing/3:64",
    "wing_too/1",
];
const FIRST: [&str; 3] = ["image_encoder/1", "tusk/1", "wing/1"];

/// A set that serves nothing and is otherwise one.
#[derive(Debug)]
struct Fake {
    versions: Vec<Arc<Version>>,
    models: Vec<ModelVersion>,
    policy: Arc<PolicyFile>,
}

impl Fake {
    fn of(versions: Vec<Arc<Version>>, policy: &Arc<PolicyFile>) -> Arc<Self> {
        let models = versions.iter().map(|version| version.identity.clone()).collect();
        Arc::new(Self { versions, models, policy: Arc::clone(policy) })
    }

    /// Heads have an encoder that fits them, and both products are rated, each once.
    fn is_whole(&self) -> bool {
        let heads = || self.versions.iter().filter(|version| version.manifest.kind == Kind::Head);
        let encoder = self.versions.iter().find(|version| version.manifest.kind == Kind::ImageEncoder);
        let fits = |head: &Arc<Version>| {
            encoder.is_some_and(|encoder| {
                let made_for_it =
                    head.manifest.encoder.as_ref().is_none_or(|made| made.version == encoder.identity.version);
                made_for_it && head.manifest.embedding_size() == encoder.manifest.embedding_size()
            })
        };
        let mut rated: Vec<_> = heads().flat_map(|head| head.feeds()).map(|fed| fed.to_string()).collect();
        rated.sort();
        heads().all(fits) && rated == ["tusk", "wing"]
    }
}

impl Served for Fake {
    fn models(&self) -> &[ModelVersion] {
        &self.models
    }

    fn set(&self) -> &str {
        DEFAULT_SET
    }

    fn policy(&self) -> &PolicyVersion {
        &self.policy.version
    }

    fn as_default(&self) -> DefaultSet {
        DefaultSet { versions: self.versions.clone(), policy: Arc::clone(&self.policy) }
    }
}

/// What can happen. Numbers name versions of [`UNIVERSE`]; `loads`: whether what is loaded for it is sound.
#[derive(Debug, Clone)]
enum Event {
    Appears(usize),
    Vanishes(usize),
    Look { loads: bool },
    Promote { which: usize, loads: bool },
    Try(usize),
    PromoteCandidate,
    RollBack,
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let which = || 0..UNIVERSE.len();
    prop_oneof![
        which().prop_map(Event::Appears),
        which().prop_map(Event::Vanishes),
        any::<bool>().prop_map(|loads| Event::Look { loads }),
        (which(), any::<bool>()).prop_map(|(which, loads)| Event::Promote { which, loads }),
        which().prop_map(Event::Try),
        Just(Event::PromoteCandidate),
        Just(Event::RollBack),
        (0..400_u64).prop_map(Event::Wait),
    ]
}

/// Folders, a clock and a ledger, driven as the keeper drives them.
struct World {
    universe: Vec<Arc<Version>>,
    disk: Vec<Arc<Version>>,
    policy: Arc<PolicyFile>,
    now: Instant,
    ledger: Ledger<Fake>,
}

impl World {
    fn new(policy: &Arc<PolicyFile>) -> Self {
        let disk: Vec<_> = FIRST.iter().map(|text| version(text)).collect();
        let serving = Fake::of(disk.clone(), policy);
        let ledger = Ledger::new(Arc::clone(&serving), serving.as_default(), BTreeMap::new(), Vec::new(), None);
        let universe = UNIVERSE.iter().map(|text| version(text)).collect();
        Self { universe, disk, policy: Arc::clone(policy), now: Instant::now(), ledger }
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Appears(which) => {
                let new = Arc::clone(&self.universe[which]);
                if !self.disk.iter().any(|version| version.identity == new.identity) {
                    self.disk.push(new);
                }
            }
            Event::Vanishes(which) => {
                let gone = self.universe[which].identity.clone();
                self.disk.retain(|version| version.identity != gone);
            }
            Event::Look { loads } => self.look(loads),
            Event::Promote { which, loads } => {
                if let Some(next) = self.with(which) {
                    if loads {
                        let known = self.disk.clone();
                        self.ledger.decide(&[self.universe[which].identity.clone()], &known);
                        self.ledger.serve(next, Duration::from_secs(60), self.now);
                    } else {
                        self.ledger.record_failure(&self.universe[which].identity.clone(), "broke".into(), self.now);
                    }
                }
            }
            Event::Try(which) => {
                if let Some(next) = self.with(which) {
                    self.ledger.try_out(next);
                }
            }
            Event::PromoteCandidate => {
                if let Some(candidate) = self.ledger.candidate().cloned() {
                    let known = self.disk.clone();
                    self.ledger.decide(&candidate.models, &known);
                    self.ledger.serve(candidate, Duration::ZERO, self.now);
                }
            }
            Event::RollBack => {
                let was = Arc::clone(self.ledger.serving());
                let to = self.ledger.previous().cloned().filter(|_| self.ledger.candidate().is_none());
                let undone = self.ledger.roll_back().is_ok();
                assert!(undone || Arc::ptr_eq(&was, self.ledger.serving()));
                assert!(to.is_none_or(|to| Arc::ptr_eq(&to, self.ledger.serving())), "it returns to what served");
            }
            Event::Wait(seconds) => self.now += Duration::from_secs(seconds),
        }
    }

    /// What serves, with one version more in the place of its model's.
    fn with(&self, which: usize) -> Option<Arc<Fake>> {
        let new = &self.universe[which];
        let serving = &self.ledger.serving().versions;
        let others = serving.iter().filter(|version| version.name() != new.name());
        let chosen: Vec<_> = others.chain([new]).cloned().collect();
        together(&chosen, serving, &Declared::default()).ok().map(|versions| Fake::of(versions, &self.policy))
    }

    fn look(&mut self, loads: bool) {
        let (disk, now) = (self.disk.clone(), self.now);
        self.ledger.seen(&disk, |_| false, now);
        // As long as the keeper: each round serves or bars a version.
        for _ in 0..64 {
            let choice = choose(Situation {
                versions: &disk,
                rules: &Rules::new(),
                decisions: self.ledger.decisions(),
                barred: &self.ledger.barred(now),
                serving: &self.ledger.default().versions,
                declared: &Declared::default(),
            });
            let serving = Arc::clone(self.ledger.serving());
            let Ok(choice) = choice else { return };
            let next = Fake::of(choice.versions, &self.policy);
            if next.models == serving.models || self.ledger.candidate().is_some() {
                return;
            }
            match next.models.iter().find(|model| !serving.models.contains(model)) {
                Some(new) if !loads => drop(self.ledger.record_failure(new, "broke".into(), now)),
                _ => drop(self.ledger.serve(next, Duration::ZERO, now)),
            }
        }
        panic!("the rounds do not end");
    }
}

proptest! {
    #[test]
    fn no_order_of_events_serves_a_set_with_a_hole(events in proptest::collection::vec(event(), 0..60)) {
        let text = include_str!("../../../../models/policy.toml").to_owned();
        let policy = Arc::new(PolicyFile::parse(text).unwrap());
        let mut world = World::new(&policy);
        for event in events {
            world.happen(&event);
            let ledger = &world.ledger;
            for kept in [Some(ledger.serving()), ledger.previous(), ledger.candidate()].into_iter().flatten() {
                prop_assert!(kept.is_whole(), "after {event:?}: {:?}", kept.models);
            }
            prop_assert!(ledger.default().versions.len() == ledger.serving().versions.len());
        }
    }
}

#[test]
fn waits_grow_and_a_change_of_the_folder_ends_them() {
    let policy = Arc::new(PolicyFile::parse(include_str!("../../../../models/policy.toml").to_owned()).unwrap());
    let mut world = World::new(&policy);
    let (failing, now) = (world.universe[4].identity.clone(), world.now);
    let waits: Vec<_> = (0..3).map(|_| world.ledger.record_failure(&failing, "broke".into(), now).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4]);
    assert_eq!(world.ledger.barred(now), std::slice::from_ref(&failing));
    assert_eq!(world.ledger.next_retry(now), Some(now + Duration::from_secs(4)));
    let there = [Arc::clone(&world.universe[4])];
    world.ledger.seen(&there, |identity| *identity == failing, now);
    assert!(world.ledger.barred(now).is_empty());
    world.ledger.seen(&[], |_| false, now);
    assert!(world.ledger.failure_of(&failing).is_none(), "it is gone, and so is what it did");
}
