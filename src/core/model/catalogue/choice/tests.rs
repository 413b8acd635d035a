use super::*;
use crate::domain::Modality;
use crate::model::catalogue::fixtures::version;
use crate::model::catalogue::opening::open;

#[derive(Default)]
struct Case {
    versions: Vec<Arc<Version>>,
    rules: Rules,
    decisions: BTreeMap<String, Decision>,
    barred: Vec<ModelVersion>,
    serving: Vec<Arc<Version>>,
    declared: Declared,
}

impl Case {
    fn of(versions: &[&str]) -> Self {
        Self { versions: versions.iter().map(|v| version(v)).collect(), ..Self::default() }
    }

    fn serving(mut self, versions: &[&str]) -> Self {
        self.serving = versions.iter().map(|v| version(v)).collect();
        self
    }

    fn rule(mut self, name: &str, rule: Rule) -> Self {
        self.rules.insert(name.into(), rule);
        self
    }

    fn decide(mut self, serve: &str, until: &str) -> Self {
        let until_newer_than = version(until).identity.clone();
        let serve = Some(serve.to_owned());
        self.decisions.insert(until_newer_than.name.clone(), Decision { serve, until_newer_than });
        self
    }

    fn choose(&self) -> Result<Choice, String> {
        let Self { versions, rules, decisions, barred, serving, declared } = self;
        choose(Situation { versions, rules, decisions, barred, serving, declared })
    }

    fn open(&self) -> (Vec<String>, Vec<String>) {
        let Self { versions, rules, decisions, barred, serving, declared } = self;
        let opening = open(Situation { versions, rules, decisions, barred, serving, declared }).unwrap();
        let chosen = opening.choice.versions.iter().map(|v| format!("{}/{}", v.name(), v.identity.version));
        (chosen.collect(), opening.left_out.into_iter().map(|(v, why)| format!("{}: {why}", v.name)).collect())
    }

    fn chosen(&self) -> Vec<String> {
        let versions = self.choose().unwrap().versions;
        versions.iter().map(|v| format!("{}/{}", v.name(), v.identity.version)).collect()
    }
}

#[test]
fn the_newest_serves_by_number_not_by_name() {
    assert_eq!(Case::of(&["image_encoder/1", "tusk/9", "tusk/10"]).chosen(), ["image_encoder/1", "tusk/10"]);
}

#[test]
fn pins_labels_and_lists_say_which_serves() {
    let case = || Case::of(&["image_encoder/1", "tusk/1", "tusk/2", "tusk/3"]);
    let tusk = |rule| case().rule("tusk", rule).chosen().pop().unwrap();
    assert_eq!(tusk(Rule { policy: VersionPolicy::Pinned("2".into()), ..Rule::default() }), "tusk/2");
    assert_eq!(
        tusk(Rule { policy: VersionPolicy::Several(vec!["1".into(), "2".into()]), ..Rule::default() }),
        "tusk/2"
    );
    assert_eq!(tusk(Rule { stable: Some("1".into()), ..Rule::default() }), "tusk/1");
    assert_eq!(tusk(Rule { canary: Some("3".into()), ..Rule::default() }), "tusk/2");
}

#[test]
fn an_encoder_of_another_size_waits_for_its_heads_and_they_switch_together() {
    let now = ["image_encoder/1", "tusk/1", "wing/1"];
    let case = Case::of(&[&now[..], &["image_encoder/2:64", "tusk/2:64"]].concat()).serving(&now);
    assert_eq!(case.chosen(), now);
    let waiting = case.choose().unwrap().waiting;
    assert!(
        waiting[0].contains("image_encoder 2") && waiting[0].contains("wing 1 reads embeddings of 1280"),
        "{waiting:?}"
    );
    assert!(!waiting[0].contains("tusk") && waiting[1].contains("tusk 2 waits"), "{waiting:?}");
    let whole = Case::of(&[&now[..], &["image_encoder/2:64", "tusk/2:64", "wing/2:64"]].concat()).serving(&now);
    assert_eq!(whole.chosen(), ["image_encoder/2", "tusk/2", "wing/2"]);
    assert!(whole.choose().unwrap().waiting.is_empty());
}

#[test]
fn heads_that_name_their_encoder_wait_for_it_although_the_size_is_the_same() {
    let now = ["image_encoder/1", "tusk/1:1280@1"];
    let case = |more: &[&str]| Case::of(&[&now[..], more].concat()).serving(&now).chosen();
    assert_eq!(case(&["image_encoder/2"]), ["image_encoder/1", "tusk/1"]);
    assert_eq!(case(&["tusk/2:1280@2"]), ["image_encoder/1", "tusk/1"]);
    assert_eq!(case(&["image_encoder/2", "tusk/2:1280@2"]), ["image_encoder/2", "tusk/2"]);
}

#[test]
fn an_encoder_whose_heads_are_still_being_copied_is_not_taken_with_older_heads_that_would_fit() {
    let now = ["image_encoder/2", "tusk/2:1280@2", "wing/2:1280@2"];
    let older = ["image_encoder/1", "tusk/1", "wing/1"];
    let case = |more: &[&str]| Case::of(&[&older[..], &now[..], more].concat()).serving(&now);
    let half = case(&["image_encoder/3", "tusk/3:1280@3"]);
    assert_eq!(half.chosen(), ["image_encoder/2", "tusk/2", "wing/2"]);
    let waiting = half.choose().unwrap().waiting;
    assert!(waiting[0].contains("image_encoder 3 waits") && waiting[0].contains("wing 2"), "{waiting:?}");
    let whole = case(&["image_encoder/3", "tusk/3:1280@3", "wing/3:1280@3"]);
    assert_eq!(whole.chosen(), ["image_encoder/3", "tusk/3", "wing/3"]);
}

#[test]
fn what_serves_is_left_for_something_older_when_its_encoder_was_removed() {
    let now = ["image_encoder/2", "tusk/2:1280@2"];
    let case = Case::of(&["image_encoder/1", "tusk/1", "tusk/2:1280@2"]).serving(&now);
    assert_eq!(case.chosen(), ["image_encoder/1", "tusk/1"]);
}

#[test]
fn a_set_that_cannot_serve_is_refused_naming_the_heads() {
    let problem = Case::of(&["image_encoder/2:64", "tusk/1"]).choose().unwrap_err();
    assert!(problem.contains("tusk 1 reads embeddings of 1280 values") && problem.contains("64"), "{problem}");
    let problem = Case::of(&["tusk/1"]).choose().unwrap_err();
    assert!(problem.contains("no image encoder"), "{problem}");
    let problem = Case::of(&["image_encoder/1", "tusk/1", "tusk_too/1"]).choose().unwrap_err();
    assert!(problem.contains("tusk 1, tusk_too 1 would all rate images for tusk"), "{problem}");
    let now = ["image_encoder/1", "tusk/1", "wing/1"];
    let problem = Case::of(&now[..2]).serving(&now).choose().unwrap_err();
    assert!(problem.contains("without wing 1 nothing would rate images for wing"), "{problem}");
}

#[test]
fn a_version_that_fails_is_passed_over_and_what_serves_goes_on_when_no_other_is_there() {
    let now = ["image_encoder/1", "tusk/1"];
    let mut case = Case::of(&[&now[..], &["tusk/2"]].concat()).serving(&now);
    case.barred = vec![version("tusk/2").identity.clone()];
    assert_eq!(case.chosen(), now);
    let pinned = Rule { policy: VersionPolicy::Pinned("2".into()), ..Rule::default() };
    assert_eq!(case.rule("tusk", pinned).chosen(), now);
}

#[test]
fn after_a_rollback_the_old_version_serves_until_a_newer_one_appears() {
    let all = ["image_encoder/1", "tusk/1", "tusk/2", "tusk/3"];
    assert_eq!(Case::of(&all).decide("1", "tusk/3").chosen()[1], "tusk/1", "not 2 either");
    assert_eq!(Case::of(&[&all[..], &["tusk/4"]].concat()).decide("1", "tusk/3").chosen()[1], "tusk/4");
    // The same number with other content was mended.
    assert_eq!(Case::of(&["image_encoder/1", "tusk/1", "tusk/3:1280@1"]).decide("1", "tusk/3").chosen()[1], "tusk/3");
}

#[test]
fn a_decision_beats_a_pin_and_does_not_end_by_itself_then() {
    let pinned = Rule { policy: VersionPolicy::Pinned("2".into()), ..Rule::default() };
    let case = Case::of(&["image_encoder/1", "tusk/1", "tusk/2", "tusk/3"]).decide("1", "tusk/2");
    assert_eq!(case.rule("tusk", pinned).chosen()[1], "tusk/1");
}

#[test]
fn a_start_leaves_out_one_of_two_that_rate_the_same_and_says_so() {
    let case = Case::of(&["image_encoder/1", "tusk/1", "tusk_too/1"]);
    assert!(case.choose().is_err(), "a swap is refused");
    let (chosen, left_out) = case.open();
    assert_eq!(chosen, ["image_encoder/1", "tusk/1"]);
    assert_eq!(
        left_out,
        ["tusk_too: tusk 1, tusk_too 1 would all rate images for tusk; remove all but one, or join them in the policy"]
    );
}

#[test]
fn a_start_passes_over_a_version_that_rates_less_than_the_one_before_it_unless_a_rule_wants_it() {
    let mut case = Case::of(&["image_encoder/1", "tusk/1", "tusk/2"]);
    let mut lesser = (*case.versions[2]).clone();
    lesser.manifest.labels[0].category = None;
    case.versions[2] = Arc::new(lesser);
    let (chosen, left_out) = case.open();
    assert_eq!(chosen, ["image_encoder/1", "tusk/1"]);
    assert_eq!(left_out, ["tusk: without tusk 1 nothing would rate images for tusk"]);
    let pinned = case.rule("tusk", Rule { policy: VersionPolicy::Pinned("2".into()), ..Rule::default() });
    assert_eq!(pinned.open().0, ["image_encoder/1", "tusk/2"]);
}

fn joined(category: &str, models: &[&str]) -> Declared {
    let category = Category::new(category).unwrap();
    let models = models.iter().map(|&model| model.to_owned()).collect();
    Declared::new(vec![category], BTreeMap::from([((category, Modality::Images), models)]))
}

#[test]
fn models_that_rate_the_same_serve_together_where_the_policy_joins_all_of_them() {
    let mut case = Case::of(&["image_encoder/1", "tusk/1", "tusk_too/1"]);
    case.declared = joined("tusk", &["tusk", "tusk_too"]);
    assert_eq!(case.chosen(), ["image_encoder/1", "tusk/1", "tusk_too/1"]);
    assert!(case.choose().unwrap().undeclared.is_empty());
    case.versions.pop();
    let said = case.choose().unwrap().undeclared;
    assert_eq!(said, ["the policy joins tusk_too by images for tusk, and it does not rate that"]);
    case = Case::of(&["image_encoder/1", "tusk/1", "tusk_too/1"]);
    case.declared = joined("tusk", &["tusk", "another"]);
    assert!(case.choose().unwrap_err().contains("would all rate images for tusk"));
}

#[test]
fn every_encoder_is_chosen_with_the_heads_that_fit_it() {
    let mut case =
        Case::of(&["image_encoder/1", "image_encoder_too/1:64", "image_encoder_too/2:32", "tusk/1", "tusk_too/1:64"]);
    case.declared = joined("tusk", &["tusk", "tusk_too"]);
    assert_eq!(case.chosen(), ["image_encoder/1", "image_encoder_too/1", "tusk/1", "tusk_too/1"]);
    let waiting = case.choose().unwrap().waiting;
    assert!(waiting[0].starts_with("image_encoder_too 2 waits for heads that fit it"), "{waiting:?}");
}

#[test]
fn an_encoder_that_nothing_reads_waits_and_a_head_that_fits_two_must_say_which() {
    let case = Case::of(&["image_encoder/1", "image_encoder_too/1:64", "tusk/1"]);
    assert_eq!(case.chosen(), ["image_encoder/1", "tusk/1"]);
    assert_eq!(case.choose().unwrap().waiting, ["image_encoder_too 1 waits for heads that name it"]);
    let unclear = Case::of(&["image_encoder/1", "image_encoder_too/1", "tusk/1"]).choose().unwrap_err();
    assert!(unclear.contains("encoder = \"image_encoder/VERSION\""), "{unclear}");
    let beside =
        Case::of(&["image_encoder/1", "image_encoder_too/1", "tusk/1"]).serving(&["image_encoder/1", "tusk/1"]);
    assert_eq!(beside.chosen(), ["image_encoder/1", "tusk/1"], "what serves keeps its heads");
    let named = Case::of(&["image_encoder/1", "image_encoder_too/1", "tusk/1:1280@image_encoder/1"]);
    assert_eq!(named.chosen(), ["image_encoder/1", "tusk/1"]);
}

#[test]
fn models_that_are_joined_no_more_do_not_all_go_on() {
    let case =
        Case::of(&["image_encoder/1", "tusk/1", "tusk_too/1"]).serving(&["image_encoder/1", "tusk/1", "tusk_too/1"]);
    let (chosen, left_out) = case.open();
    assert_eq!((chosen.len(), left_out.len()), (2, 1), "{chosen:?} {left_out:?}");
    assert!(left_out[0].contains("would all rate images for tusk"), "{left_out:?}");
}

#[test]
fn a_head_moves_to_another_encoder_with_a_new_version() {
    let older = ["image_encoder/1", "tusk/1:1280@image_encoder/1", "wing/1:1280@image_encoder/1"];
    let newer = ["image_encoder_too/1", "tusk/2:1280@image_encoder_too/1"];
    let case = Case::of(&[&older[..], &newer].concat()).serving(&older);
    assert_eq!(case.chosen(), ["image_encoder/1", "image_encoder_too/1", "tusk/2", "wing/1"]);
    let all = Case::of(&[&older[..], &newer, &["wing/2:1280@image_encoder_too/1"]].concat()).serving(&older);
    assert_eq!(all.chosen(), ["image_encoder_too/1", "tusk/2", "wing/2"]);
    assert!(all.choose().unwrap().idle.contains("image_encoder"));
}

#[test]
fn a_head_whose_encoder_is_not_there_waits_alone() {
    let mut case = Case::of(&["image_encoder/1", "tusk/1", "tusk_too/1:64@image_encoder_too/1"]);
    case.declared = joined("tusk", &["tusk", "tusk_too"]);
    assert_eq!(case.chosen(), ["image_encoder/1", "tusk/1"]);
    let choice = case.choose().unwrap();
    assert_eq!(choice.waiting, ["tusk_too 1 waits for the encoder image_encoder_too/1"]);
    let alone = Case::of(&["tusk/1:64@image_encoder_too/1"]).choose().unwrap_err();
    assert!(alone.contains("waits for the encoder"), "{alone}");
}
