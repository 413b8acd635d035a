//! Calibrated evidence becomes a rating: fusion, levels, suggestion, caps and floors, reasons, legal bases.

use std::collections::BTreeMap;

use crate::domain::{
    Category, CategoryRating, FoundTerm, LegalBasis, Level, Logit, Notice, PerCategory, Probability, Reason,
    ReasonCode, Signs, Suggestion, TermKind, TextField,
};
use crate::score::fuse::shift_prior;
use crate::score::policy::Policy;

/// Everything known of a listing before it is rated.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Categories to rate.
    pub categories: Vec<Category>,
    /// Images that were scored: id and calibrated logits.
    pub images: Vec<(String, PerCategory<Logit>)>,
    /// Labels of images that feed no category: id, name and probability.
    pub labels: Vec<(String, String, Probability)>,
    /// Texts that were scored: field and calibrated logits of the strongest passages.
    pub texts: Vec<(TextField, PerCategory<Logit>)>,
    /// The words that weighed most in them, the heaviest first.
    pub words: Vec<(TextField, Category, Vec<String>)>,
    /// Lexicon terms.
    pub terms: Vec<(TextField, FoundTerm)>,
    /// What the texts together say besides.
    pub signs: Signs,
    /// What else they name: field, kind and spelling.
    pub notices: Vec<(TextField, Notice, String)>,
    /// Texts in a language that nothing here reads.
    pub unread_texts: Vec<TextField>,
    /// Images that could not be looked at: id and status name.
    pub unreadable_images: Vec<(String, &'static str)>,
    /// Models that did not answer.
    pub missing_models: Vec<String>,
}

/// What the policy makes of the evidence.
#[derive(Debug)]
pub struct Verdict {
    /// Highest fused probability.
    pub risk: Probability,
    /// Its band.
    pub level: Level,
    /// What to do.
    pub suggestion: Suggestion,
    /// One entry a rated category.
    pub categories: Vec<CategoryRating>,
    /// The strongest first.
    pub reasons: Vec<Reason>,
    /// Rules of the suspected categories; empty for PASS.
    pub legal_basis: Vec<LegalBasis>,
}

/// Rates `evidence` by `policy`. Deterministic; never fails.
pub fn rate(policy: &Policy, evidence: &Evidence) -> Verdict {
    let mut suggestion = Suggestion::Pass;
    let mut categories = Vec::new();
    let mut reasons: Vec<(f64, Reason)> = Vec::new();
    let mut suspected = Vec::new();
    for &category in &evidence.categories {
        let rated = rate_category(policy, evidence, category, &mut reasons);
        if rated.suggestion > Suggestion::Pass {
            suspected.push(category);
        }
        suggestion = suggestion.max(rated.suggestion);
        categories.push(rated.rating);
    }
    for (image_id, status) in &evidence.unreadable_images {
        suggestion = suggestion.max(Suggestion::Review);
        let arguments = [("image_id", image_id.clone()), ("status", (*status).to_owned())];
        reasons.push((0.0, reason(ReasonCode::ImageUnreadable, None, arguments)));
    }
    for model in &evidence.missing_models {
        suggestion = suggestion.max(Suggestion::Review);
        reasons.push((0.0, reason(ReasonCode::ModelMissing, None, [("model", model.clone())])));
    }
    for (field, notice, term) in &evidence.notices {
        let code = match notice {
            Notice::LicensedMedicine => ReasonCode::LicensedMedicine,
            Notice::OtherWildlife => ReasonCode::OtherWildlife,
        };
        if *notice == Notice::OtherWildlife && policy.rules.other_wildlife && !evidence.signs.reports {
            suggestion = suggestion.max(Suggestion::Review);
        }
        let arguments = [("term", term.clone()), ("field", field.name().to_owned())];
        reasons.push((0.3, reason(code, None, arguments)));
    }
    for field in evidence.unread_texts.iter().filter(|_| policy.rules.unsupported_language) {
        suggestion = suggestion.max(Suggestion::Review);
        reasons.push((0.0, reason(ReasonCode::UnsupportedLanguage, None, [("field", field.name().to_owned())])));
    }
    let highest = categories.iter().max_by(|a, b| a.probability.value().total_cmp(&b.probability.value()));
    let risk = highest.map_or(Logit(f64::NEG_INFINITY).probability(), |rating| rating.probability);
    let level = categories.iter().map(|rating| rating.level).max().unwrap_or(Level::Minimal);
    reasons.sort_by(|a, b| b.0.total_cmp(&a.0));
    // A listing that is reviewed only because something could not be read touches no rule yet.
    let applies = |basis: &&LegalBasis| {
        !suspected.is_empty()
            && (basis.categories.is_empty() || suspected.iter().any(|category| basis.categories.contains(category)))
    };
    let legal_basis = policy.legal_basis.iter().filter(applies).cloned().collect();
    Verdict {
        risk,
        level,
        suggestion,
        categories,
        reasons: reasons.into_iter().map(|(_, reason)| reason).collect(),
        legal_basis,
    }
}

struct Rated {
    rating: CategoryRating,
    suggestion: Suggestion,
}

fn rate_category(policy: &Policy, evidence: &Evidence, category: Category, reasons: &mut Vec<(f64, Reason)>) -> Rated {
    let image = strongest(evidence.images.iter().map(|(id, logits)| (id, logits)), category);
    let text = strongest(evidence.texts.iter().map(|(field, logits)| (field, logits)), category);
    let (image_logit, text_logit) = (image.map(|(_, logit)| logit), text.map(|(_, logit)| logit));
    let (image_probability, text_probability) =
        (image_logit.map(Logit::probability), text_logit.map(Logit::probability));

    let probability = fused(policy, category, image_logit, text_logit);
    let mut level = policy.levels.level(probability);
    let mut suggestion = if probability >= policy.block {
        Suggestion::Block
    } else if probability >= policy.review {
        Suggestion::Review
    } else {
        Suggestion::Pass
    };

    let photo_alone = policy.rules.photo_stands && fused(policy, category, image_logit, None) >= policy.review;
    let photo_stands = photo_alone && suggestion == Suggestion::Pass;
    if photo_stands {
        raise(&mut suggestion, &mut level);
    }

    let mut add = |weight: f64, code, arguments: Vec<(&'static str, String)>| {
        reasons.push((weight, reason(code, Some(category), arguments)));
    };
    if let (Some((id, _)), Some(p)) = (image, image_probability)
        && p >= policy.evidence
    {
        add(p.value() + 1.0, ReasonCode::ImageEvidence, vec![("image_id", id.clone()), ("probability", number(p))]);
    }
    if let (Some((field, _)), Some(p)) = (text, text_probability)
        && p >= policy.evidence
    {
        let mut arguments = vec![("field", field.name().to_owned()), ("probability", number(p))];
        if let Some((_, _, words)) = evidence.words.iter().find(|(of, about, _)| of == field && *about == category) {
            arguments.push(("words", words.join(", ")));
        }
        add(p.value() + 1.0, ReasonCode::TextEvidence, arguments);
    }
    if let (Some(a), Some(b)) = (image_probability, text_probability)
        && (a.value() - b.value()).abs() > policy.disagreement_margin
        && suggestion > Suggestion::Pass
    {
        add(
            0.4,
            ReasonCode::ModalitiesDisagree,
            vec![("image_probability", number(a)), ("text_probability", number(b))],
        );
    }

    if photo_stands && let Some((id, _)) = image {
        add(0.95, ReasonCode::PhotoStands, vec![("image_id", id.clone())]);
    }

    let mut named = Vec::new();
    let mut claim: Option<(TextField, &FoundTerm)> = None;
    for (field, term) in evidence.terms.iter().filter(|(_, term)| term.category == category) {
        // A disguised mention says more than a plain one of the same term, so neither hides the other.
        let mention = (&term.term, term.kind, term.obfuscated);
        if named.contains(&mention) {
            continue;
        }
        named.push(mention);
        let arguments = || vec![("term", term.term.clone()), ("field", field.name().to_owned())];
        match term.kind {
            TermKind::Claim => {
                add(0.9, ReasonCode::ClaimTerm, arguments());
                if policy.is_reviewed(&term.term, term.kind) {
                    raise(&mut suggestion, &mut level);
                }
                if claim.is_none_or(|(_, first)| term.obfuscated && !first.obfuscated) {
                    claim = Some((*field, term));
                }
            }
            TermKind::CodeWord => {
                // Alone worth a look and no more: code words are mostly ordinary words.
                raise(&mut suggestion, &mut level);
                add(0.8, ReasonCode::CodeWord, arguments());
            }
            TermKind::LookAlike => {
                // Sellers name look-alikes to pass, so the word softens the strongest measure and clears nothing.
                suggestion = suggestion.min(Suggestion::Review);
                if policy.is_reviewed(&term.term, term.kind) {
                    raise(&mut suggestion, &mut level);
                }
                add(0.5, ReasonCode::LookAlike, arguments());
            }
        }
        if term.obfuscated {
            add(0.7, ReasonCode::ObfuscatedText, arguments());
        }
    }
    if let Some((field, term)) = claim {
        let rules = policy.rules;
        let applies = [
            (rules.disguised_claim && term.obfuscated, ReasonCode::DisguisedClaim),
            (rules.claim_for_sale && evidence.signs.sale, ReasonCode::ClaimForSale),
            (rules.wanted_to_buy && evidence.signs.wanted, ReasonCode::WantedToBuy),
        ];
        for (_, code) in applies.into_iter().filter(|(applies, _)| *applies) {
            raise(&mut suggestion, &mut level);
            add(0.85, code, vec![("term", term.term.clone()), ("field", field.name().to_owned())]);
        }
    }
    // The words speak of no product: then an animal in the photo is what the listing is about.
    let silent = evidence.terms.iter().all(|(_, term)| term.category != category || term.kind == TermKind::LookAlike)
        && text_probability.is_none_or(|p| p < policy.evidence);
    if let (Some(rule), Some((id, _))) = (&policy.live_animal, image)
        && suggestion > Suggestion::Pass
        && silent
        && let Some(p) = label_of(evidence, id, &rule.label).filter(|p| *p >= rule.from)
    {
        if rule.lowers_block {
            suggestion = suggestion.min(Suggestion::Review);
        }
        add(0.92, ReasonCode::LiveAnimal, vec![("image_id", id.clone()), ("probability", number(p))]);
    }
    let best_image_id = image.map(|(id, _)| id.clone());
    let rating = CategoryRating { category, probability, image_probability, text_probability, level, best_image_id };
    Rated { rating, suggestion }
}

fn label_of(evidence: &Evidence, image_id: &str, name: &str) -> Option<Probability> {
    evidence
        .labels
        .iter()
        .find(|(id, label, _)| id == image_id && label == name)
        .map(|(_, _, probability)| *probability)
}

/// What the logits of a category come to, at the deployment prior. `None`: that modality did not take part.
fn fused(policy: &Policy, category: Category, image: Option<Logit>, text: Option<Logit>) -> Probability {
    match policy.fusion.get(&category) {
        Some(weights) if image.is_some() || text.is_some() => {
            shift_prior(weights.fuse(image, text), policy.training_prior, policy.deployment_prior).probability()
        }
        // Nothing was seen of this category, so nothing moves it from the prior.
        _ => policy.deployment_prior,
    }
}

/// A person should look, and so it is not MINIMAL either.
fn raise(suggestion: &mut Suggestion, level: &mut Level) {
    *suggestion = (*suggestion).max(Suggestion::Review);
    *level = (*level).max(Level::Low);
}

/// The best of several counts, so nothing dilutes it.
fn strongest<'a, K>(
    scored: impl Iterator<Item = (&'a K, &'a PerCategory<Logit>)>,
    category: Category,
) -> Option<(&'a K, Logit)> {
    let logits = scored.filter_map(|(key, logits)| logits.get(category).map(|&logit| (key, logit)));
    // The first of equals, so that the answer does not depend on luck.
    logits.fold(None, |best: Option<(&K, Logit)>, next| match best {
        Some(best) if best.1.0 >= next.1.0 => Some(best),
        _ => Some(next),
    })
}

fn reason(
    code: ReasonCode,
    category: Option<Category>,
    arguments: impl IntoIterator<Item = (&'static str, String)>,
) -> Reason {
    Reason { code, category, arguments: arguments.into_iter().collect::<BTreeMap<_, _>>() }
}

fn number(probability: Probability) -> String {
    format!("{:.4}", probability.value())
}

#[cfg(test)]
mod tests;
