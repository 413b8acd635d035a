use proptest::prelude::*;

use super::*;
use crate::domain::Span;
use crate::score::policy::{ReviewRules, TermGroup};

fn policy() -> Policy {
    Policy::parse(include_str!("../../../../models/policy.toml")).unwrap()
}

/// The one that listings are rated for here.
fn category() -> Category {
    policy().declared().categories()[0]
}

fn scores(logit: f64) -> PerCategory<Logit> {
    let mut scores = PerCategory::default();
    scores.set(category(), Logit(logit));
    scores
}

fn evidence(images: &[f64], text: Option<f64>, terms: &[(&str, TermKind)]) -> Evidence {
    let term = |&(term, kind): &(&str, TermKind)| {
        let span = Span { bytes: 0..1, chars: 0..1 };
        (TextField::Title, FoundTerm { span, term: term.to_owned(), kind, category: category(), obfuscated: false })
    };
    Evidence {
        categories: vec![category()],
        images: images.iter().enumerate().map(|(i, &logit)| (i.to_string(), scores(logit))).collect(),
        texts: text.map(|logit| (TextField::Title, scores(logit))).into_iter().collect(),
        terms: terms.iter().map(term).collect(),
        ..Evidence::default()
    }
}

#[test]
fn an_image_alone_and_a_text_alone_can_be_suspected() {
    assert!(rate(&policy(), &evidence(&[8.0], None, &[])).suggestion >= Suggestion::Review);
    assert!(rate(&policy(), &evidence(&[], Some(8.0), &[])).suggestion >= Suggestion::Review);
}

#[test]
fn what_nobody_looked_at_suggests_nothing_wherever_thresholds_lie() {
    let mut eager = policy();
    eager.categories[1].review = Probability::new(0.001).unwrap();
    eager.categories[1].block = Probability::new(0.002).unwrap();
    eager.deployment_prior = Probability::new(0.5).unwrap();
    let mut both = evidence(&[-6.0], Some(-6.0), &[]);
    both.categories = eager.declared().categories().to_vec();
    let verdict = rate(&eager, &both);
    assert_eq!((verdict.suggestion, verdict.level), (Suggestion::Pass, eager.levels.level(verdict.risk)));
    assert!(verdict.categories[1].is_unrated() && verdict.categories[1].probability == eager.deployment_prior);
}

#[test]
fn a_word_is_reviewed_only_in_its_own_category() {
    let mut other = policy();
    let category = other.declared().categories()[1];
    let (kind, terms) = (TermKind::Claim, vec!["手把件".to_owned()]);
    other.terms.push(TermGroup { kind, category, terms, review: true, only_disguised: false });
    let claim = evidence(&[], Some(-6.0), &[("手把件", TermKind::Claim)]);
    assert_eq!(rate(&other, &claim).suggestion, Suggestion::Pass);
    other.terms.last_mut().unwrap().category = self::category();
    assert_eq!(rate(&other, &claim).suggestion, Suggestion::Review);
}

#[test]
fn a_look_alike_word_softens_block_and_clears_nothing() {
    let strong = evidence(&[8.0], Some(8.0), &[]);
    assert_eq!(rate(&policy(), &strong).suggestion, Suggestion::Block);
    let named = evidence(&[8.0], Some(8.0), &[("猛犸", TermKind::LookAlike)]);
    let verdict = rate(&policy(), &named);
    assert_eq!(verdict.suggestion, Suggestion::Review);
    assert!(verdict.level >= Level::High, "the level still says what was seen");
}

#[test]
fn a_live_animal_without_a_word_of_a_product_is_a_review_with_its_reason_and_no_more() {
    let mut policy = policy();
    policy.categories[0].block = Probability::new(0.9).unwrap(); // so that a photo alone may be one
    let shown = |mut evidence: Evidence, id: &str, probability: f64| {
        evidence.labels.push((id.into(), "live_animal".into(), Probability::new(probability).unwrap()));
        rate(&policy, &evidence)
    };
    let says = |verdict: &Verdict| verdict.reasons.iter().any(|reason| reason.code == ReasonCode::LiveAnimal);
    let photo = || evidence(&[8.0], None, &[]);
    assert_eq!(rate(&policy, &photo()).suggestion, Suggestion::Block);
    let alive = shown(photo(), "0", 0.95);
    assert!(alive.suggestion == Suggestion::Review && says(&alive) && alive.level >= Level::High);
    assert!(!says(&shown(photo(), "0", 0.8)), "not sure");
    // Beside another photo that shows the product, or a word that names it, an animal says nothing.
    for evidence in [
        evidence(&[3.0, 8.0], None, &[]),
        evidence(&[8.0], None, &[("象牙", TermKind::Claim)]),
        evidence(&[8.0], Some(4.0), &[]),
    ] {
        let verdict = shown(evidence, "0", 0.95);
        assert!(verdict.suggestion == Suggestion::Block && !says(&verdict), "{verdict:?}");
    }
    let harmless = shown(evidence(&[-6.0], Some(-6.0), &[]), "0", 0.95);
    assert!(harmless.suggestion == Suggestion::Pass && !says(&harmless), "nothing is suspected");
}

#[test]
fn a_code_word_alone_is_a_review_and_no_more() {
    let verdict = rate(&policy(), &evidence(&[-6.0], Some(-6.0), &[("白料", TermKind::CodeWord)]));
    assert_eq!(verdict.suggestion, Suggestion::Review);
    assert_eq!(verdict.reasons[0].code, ReasonCode::CodeWord);
}

fn disguised(mut evidence: Evidence) -> Evidence {
    evidence.terms.iter_mut().for_each(|(_, term)| term.obfuscated = true);
    evidence
}

fn signed(mut evidence: Evidence, sale: bool, wanted: bool) -> Evidence {
    evidence.signs = Signs { sale, wanted, reports: false };
    evidence
}

fn codes(verdict: &Verdict) -> Vec<ReasonCode> {
    verdict.reasons.iter().map(|reason| reason.code).collect()
}

#[test]
fn a_claim_in_disguise_or_beside_a_sign_of_trade_is_a_review_and_says_why() {
    let claim = || evidence(&[], Some(-6.0), &[("象牙", TermKind::Claim)]);
    assert_eq!(rate(&policy(), &claim()).suggestion, Suggestion::Pass);
    for (evidence, code) in [
        (disguised(claim()), ReasonCode::DisguisedClaim),
        (signed(claim(), true, false), ReasonCode::ClaimForSale),
        (signed(claim(), false, true), ReasonCode::WantedToBuy),
    ] {
        let verdict = rate(&policy(), &evidence);
        assert_eq!(verdict.suggestion, Suggestion::Review, "{code:?}");
        assert!(codes(&verdict).contains(&code), "{code:?}");
        let mut off = policy();
        let ReviewRules { other_wildlife, unsupported_language, .. } = off.rules;
        off.rules = ReviewRules {
            disguised_claim: false,
            claim_for_sale: false,
            wanted_to_buy: false,
            photo_stands: false,
            other_wildlife,
            unsupported_language,
        };
        assert_eq!(rate(&off, &evidence).suggestion, Suggestion::Pass, "{code:?}");
    }
}

#[test]
fn a_plain_mention_before_or_behind_does_not_clear_a_disguise() {
    for disguised in [0, 1] {
        let mut twice = evidence(&[], Some(-6.0), &[("象牙", TermKind::Claim), ("象牙", TermKind::Claim)]);
        twice.terms[disguised].1.obfuscated = true;
        twice.terms[1].0 = TextField::Description;
        let verdict = rate(&policy(), &twice);
        assert_eq!(verdict.suggestion, Suggestion::Review, "{disguised}");
        assert!(codes(&verdict).contains(&ReasonCode::DisguisedClaim), "{disguised}");
    }
}

#[test]
fn words_in_a_photo_raise_its_risk_and_never_lower_it() {
    let category = policy().categories[0].category;
    let with = |field: Option<TextField>, text: f64| {
        let mut evidence = evidence(&[2.0], field.map(|_| text), &[]);
        field.into_iter().for_each(|field| evidence.texts[0].0 = field);
        let verdict = rate(&policy(), &evidence);
        verdict.categories.iter().find(|rating| rating.category == category).unwrap().probability.value()
    };
    let alone = with(None, 0.0);
    let banner = with(Some(TextField::Image(0)), -6.0);
    assert!((banner - alone).abs() < 1e-12, "a harmless banner, or a misread: {banner}, {alone}");
    assert!(with(Some(TextField::Image(0)), 6.0) > alone);
    assert!(with(Some(TextField::Title), -6.0) < alone, "what a title says of itself counts, as it always did");
}

#[test]
fn other_wildlife_is_a_review_by_policy_and_a_medicine_is_information() {
    let named = |notice| {
        let mut evidence = evidence(&[], Some(-6.0), &[]);
        evidence.notices.push((TextField::Title, notice, "虎骨".into()));
        evidence
    };
    let mut off = policy();
    off.rules.other_wildlife = false;
    for (policy, notice, suggestion) in [
        (policy(), Notice::OtherWildlife, Suggestion::Review),
        (off, Notice::OtherWildlife, Suggestion::Pass),
        (policy(), Notice::LicensedMedicine, Suggestion::Pass),
    ] {
        let verdict = rate(&policy, &named(notice));
        assert_eq!(verdict.suggestion, suggestion, "{notice:?}");
        assert_eq!(verdict.reasons.len(), 1, "{notice:?}");
    }
}

#[test]
fn a_text_that_nothing_reads_is_a_review_where_the_policy_says_so() {
    let mut unread = evidence(&[], Some(-6.0), &[]);
    unread.unread_texts.push(TextField::Title);
    let mut strict = policy();
    strict.rules.unsupported_language = true;
    assert_eq!(rate(&policy(), &unread).suggestion, Suggestion::Pass);
    assert_eq!(rate(&strict, &unread).suggestion, Suggestion::Review);
}

#[test]
fn evidence_of_a_text_names_its_words() {
    let mut named = evidence(&[], Some(6.0), &[]);
    named.words.push((TextField::Title, category(), vec!["血牙".into(), "手串".into()]));
    let verdict = rate(&policy(), &named);
    assert_eq!(verdict.reasons[0].arguments["words"], "血牙, 手串");
}

#[test]
fn a_sign_of_sale_without_a_claim_says_nothing() {
    let verdict = rate(&policy(), &signed(evidence(&[], Some(-6.0), &[("树脂", TermKind::LookAlike)]), true, true));
    assert_eq!(verdict.suggestion, Suggestion::Pass);
}

#[test]
fn mammoth_is_looked_at_and_never_blocked() {
    for text in [-8.0, 8.0] {
        let verdict = rate(&policy(), &evidence(&[8.0], Some(text), &[("猛犸象牙", TermKind::LookAlike)]));
        assert_eq!(verdict.suggestion, Suggestion::Review);
    }
}

#[test]
fn an_unreadable_image_is_at_least_a_review_without_a_legal_basis() {
    let mut unreadable = evidence(&[-6.0], Some(-6.0), &[]);
    unreadable.doubtful_images.push(("1".into(), "corrupt"));
    let verdict = rate(&policy(), &unreadable);
    assert_eq!(verdict.suggestion, Suggestion::Review);
    assert!(verdict.legal_basis.is_empty());
}

#[test]
fn legal_bases_are_those_of_the_suspected_category() {
    let verdict = rate(&policy(), &evidence(&[8.0], Some(8.0), &[]));
    let ids: Vec<&str> = verdict.legal_basis.iter().map(|basis| basis.id.as_str()).collect();
    assert_eq!(ids, policy().categories[0].legal_basis);
    assert!(ids.contains(&"wapl-2022-33") && ids.len() < policy().legal_basis.len(), "{ids:?}");
}

proptest! {
    #[test]
    fn the_best_image_counts_and_the_rest_cannot_dilute_it(best in -8.0..8.0_f64, rest in prop::collection::vec(-8.0..8.0_f64, 0..8)) {
        let rest: Vec<f64> = rest.into_iter().map(|logit| logit.min(best)).collect();
        let alone = rate(&policy(), &evidence(&[best], None, &[]));
        let among: Vec<f64> = rest.iter().copied().chain([best]).collect();
        let among = rate(&policy(), &evidence(&among, None, &[]));
        prop_assert!((alone.risk.value() - among.risk.value()).abs() < 1e-12);
    }

    #[test]
    fn no_text_clears_a_photo_that_alone_is_a_review(image in -9.0..9.0_f64, text in -9.0..9.0_f64) {
        let alone = rate(&policy(), &evidence(&[image], None, &[])).suggestion.min(Suggestion::Review);
        for terms in [&[][..], &[("树脂", TermKind::LookAlike)]] {
            prop_assert!(rate(&policy(), &evidence(&[image], Some(text), terms)).suggestion >= alone);
        }
    }

    #[test]
    fn more_evidence_never_lowers_a_suggestion(image in -9.0..9.0_f64, text in -9.0..9.0_f64, more in 0.0..4.0_f64) {
        let before = rate(&policy(), &evidence(&[image], Some(text), &[]));
        for after in [evidence(&[image + more], Some(text), &[]), evidence(&[image], Some(text + more), &[])] {
            let after = rate(&policy(), &after);
            prop_assert!(after.risk.value() >= before.risk.value() - 1e-12);
            prop_assert!(after.suggestion >= before.suggestion && after.level >= before.level);
        }
    }
}
