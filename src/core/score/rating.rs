//! Calibrated evidence becomes a rating: fusion, levels, suggestion, caps and floors, reasons, legal bases.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    Category, CategoryRating, ContactKind, FoundTerm, LegalBasis, Level, Logit, Notice, PerCategory, Probability,
    Reason, ReasonCode, Signs, Suggestion, TermKind, TextField,
};
use crate::score::fuse::shift_prior;
use crate::score::policy::{CategoryPolicy, Policy};

/// Everything known of a listing before it is rated.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Categories to rate; those that the policy does not look for are passed over.
    pub categories: Vec<Category>,
    /// Images that were scored: id and calibrated logits.
    pub images: Vec<(String, PerCategory<Logit>)>,
    /// Labels of images that feed no category: id, name and probability.
    pub labels: Vec<(String, String, Probability)>,
    /// Texts that were scored: field and calibrated logits of the strongest passages.
    pub texts: Vec<(TextField, PerCategory<Logit>)>,
    /// Ids of the images, by their places in the listing.
    pub image_ids: Vec<String>,
    /// Ways to reach somebody that images show: id of the image, and which.
    pub contacts: Vec<(String, ContactKind)>,
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
    /// Images that could not be looked at, or not be trusted: id, and name of the status or doubt.
    pub doubtful_images: Vec<(String, &'static str)>,
    /// Models that did not answer.
    pub missing_models: Vec<String>,
}

impl Evidence {
    /// Which text it is, as arguments.
    fn place(&self, field: TextField) -> Vec<(&'static str, String)> {
        let mut arguments = vec![("field", field.name().to_owned())];
        if let TextField::Image(place) = field {
            arguments.extend(self.image_ids.get(place).map(|id| ("image_id", id.clone())));
        }
        arguments
    }

    /// A term and where it stands, as arguments.
    fn place_of(&self, field: TextField, term: &FoundTerm) -> Vec<(&'static str, String)> {
        let mut arguments = self.place(field);
        arguments.push(("term", term.term.clone()));
        arguments
    }
}

/// What the policy makes of the evidence.
#[derive(Debug)]
pub struct Verdict {
    /// Highest fused probability of a category that was looked at; the deployment prior when none was.
    pub risk: Probability,
    /// Highest level of a category; above risk's own band where a rule raised it.
    pub level: Level,
    /// What to do.
    pub suggestion: Suggestion,
    /// One entry a rated category.
    pub categories: Vec<CategoryRating>,
    /// The strongest first.
    pub reasons: Vec<Reason>,
    /// Provisions of law that the suspected categories touch; empty for PASS.
    pub legal_basis: Vec<LegalBasis>,
}

/// Rates `evidence` by `policy`. Deterministic; never fails.
pub fn rate(policy: &Policy, evidence: &Evidence) -> Verdict {
    let mut suggestion = Suggestion::Pass;
    let mut categories = Vec::new();
    let mut reasons: Vec<(f64, Reason)> = Vec::new();
    let mut suspected: Vec<&CategoryPolicy> = Vec::new();
    for declared in policy.enabled().filter(|declared| evidence.categories.contains(&declared.category)) {
        let rated = rate_category(policy, evidence, declared, &mut reasons);
        if rated.suggestion > Suggestion::Pass {
            suspected.push(declared);
        }
        suggestion = suggestion.max(rated.suggestion);
        categories.push(rated.rating);
    }
    for (image_id, status) in &evidence.doubtful_images {
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
        let arguments = [("term", term.clone())].into_iter().chain(evidence.place(*field));
        reasons.push((0.3, reason(code, None, arguments)));
    }
    for (image_id, kind) in &evidence.contacts {
        let arguments = [("image_id", image_id.clone()), ("kind", kind.name().to_owned())];
        reasons.push((0.2, reason(ReasonCode::ContactInImage, None, arguments)));
    }
    for field in evidence.unread_texts.iter().filter(|_| policy.rules.unsupported_language) {
        suggestion = suggestion.max(Suggestion::Review);
        reasons.push((0.0, reason(ReasonCode::UnsupportedLanguage, None, [("field", field.name().to_owned())])));
    }
    // What nobody looked at says nothing, unless nothing was looked at.
    let is_rated = |rating: &&CategoryRating| !rating.is_unrated();
    let highest = categories
        .iter()
        .filter(is_rated)
        .map(|rating| rating.probability)
        .max_by(|a, b| a.value().total_cmp(&b.value()));
    let risk = highest.unwrap_or(policy.deployment_prior);
    // Where nothing was looked at, the risk is the prior, and so is its band.
    let of_risk = if highest.is_none() { policy.levels.level(risk) } else { Level::Minimal };
    let level = categories.iter().map(|rating| rating.level).fold(of_risk, Level::max);
    reasons.sort_by(|a, b| b.0.total_cmp(&a.0));
    // A listing that is reviewed only because something could not be read touches no rule yet.
    let applies = |basis: &&LegalBasis| suspected.iter().any(|declared| declared.legal_basis.contains(&basis.id));
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

struct JudgedCategory {
    rating: CategoryRating,
    suggestion: Suggestion,
}

/// One category of a listing, on its way from scores to a suggestion.
struct Judged<'a> {
    policy: &'a Policy,
    evidence: &'a Evidence,
    declared: &'a CategoryPolicy,
    /// The best image and the strongest text.
    image: Option<(&'a String, Logit)>,
    text: Option<(&'a TextField, Logit)>,
    suggestion: Suggestion,
    level: Level,
    reasons: &'a mut Vec<(f64, Reason)>,
}

fn rate_category(
    policy: &Policy,
    evidence: &Evidence,
    declared: &CategoryPolicy,
    reasons: &mut Vec<(f64, Reason)>,
) -> JudgedCategory {
    let category = declared.category;
    let image = strongest(evidence.images.iter().map(|(id, logits)| (id, logits)), category);
    let text = strongest(evidence.texts.iter().map(|(field, logits)| (field, logits)), category);
    let fused_with = |text: Option<Logit>| fused(policy, declared, image.map(|(_, logit)| logit), text);
    // Words in a photo speak for an offer and never against one: a banner, or a misread, clears no photo.
    let text = text.filter(|(field, logit)| {
        !matches!(field, TextField::Image(_)) || image.is_none() || fused_with(Some(*logit)) >= fused_with(None)
    });
    let probability = fused_with(text.map(|(_, logit)| logit));
    // What nobody looked at is at the prior, wherever thresholds lie.
    let is_rated = image.is_some() || text.is_some();
    let suggestion = if !is_rated {
        Suggestion::Pass
    } else if probability >= declared.block {
        Suggestion::Block
    } else if probability >= declared.review {
        Suggestion::Review
    } else {
        Suggestion::Pass
    };
    let level = if is_rated { policy.levels.level(probability) } else { Level::Minimal };
    let mut judged = Judged { policy, evidence, declared, image, text, suggestion, level, reasons };
    let photo_stands = judged.weigh_photo();
    judged.name_scores();
    if let Some(id) = photo_stands {
        judged.add(0.95, ReasonCode::PhotoStands, vec![("image_id", id.clone())]);
    }
    let claim = judged.weigh_terms();
    if let Some((field, term)) = claim {
        judged.weigh_claim(field, term);
    }
    judged.name_images_with_words();
    judged.heed_live_animal();
    let Judged { suggestion, level, image, text, .. } = judged;
    let rating = CategoryRating {
        category,
        probability,
        image_probability: image.map(|(_, logit)| logit.probability()),
        text_probability: text.map(|(_, logit)| logit.probability()),
        level,
        best_image_id: image.map(|(id, _)| id.clone()),
    };
    JudgedCategory { rating, suggestion }
}

impl<'a> Judged<'a> {
    fn add(&mut self, weight: f64, code: ReasonCode, arguments: Vec<(&'static str, String)>) {
        self.reasons.push((weight, reason(code, Some(self.declared.category), arguments)));
    }

    /// A person should look, and so it is not MINIMAL either.
    fn raise(&mut self) {
        self.suggestion = self.suggestion.max(Suggestion::Review);
        self.level = self.level.max(Level::Low);
    }

    fn image_probability(&self) -> Option<Probability> {
        self.image.map(|(_, logit)| logit.probability())
    }

    fn text_probability(&self) -> Option<Probability> {
        self.text.map(|(_, logit)| logit.probability())
    }

    /// A photo that alone means REVIEW keeps the listing there; the photo, where it had to.
    fn weigh_photo(&mut self) -> Option<&'a String> {
        let (id, logit) = self.image?;
        let alone = fused(self.policy, self.declared, Some(logit), None) >= self.declared.review;
        if !self.policy.rules.photo_stands || !alone || self.suggestion > Suggestion::Pass {
            return None;
        }
        self.raise();
        Some(id)
    }

    /// What the models saw, where it is enough to name, and whether they contradict each other.
    fn name_scores(&mut self) {
        let (image, text) = (self.image_probability(), self.text_probability());
        let names = |p: &Probability| *p >= self.policy.evidence;
        let (named_image, named_text) = (image.filter(names), text.filter(names));
        if let (Some((id, _)), Some(p)) = (self.image, named_image) {
            let arguments = vec![("image_id", id.clone()), ("probability", number(p))];
            self.add(p.value() + 1.0, ReasonCode::ImageEvidence, arguments);
        }
        if let (Some((field, _)), Some(p)) = (self.text, named_text) {
            let mut arguments = self.evidence.place(*field);
            arguments.push(("probability", number(p)));
            let category = self.declared.category;
            let words = self.evidence.words.iter().find(|(of, about, _)| of == field && *about == category);
            arguments.extend(words.map(|(_, _, words)| ("words", words.join(", "))));
            self.add(p.value() + 1.0, ReasonCode::TextEvidence, arguments);
        }
        if let (Some(a), Some(b)) = (image, text)
            && (a.value() - b.value()).abs() > self.policy.disagreement_margin
            && self.suggestion > Suggestion::Pass
        {
            let arguments = vec![("image_probability", number(a)), ("text_probability", number(b))];
            self.add(0.4, ReasonCode::ModalitiesDisagree, arguments);
        }
    }

    /// What the lexicon's terms say, each once; the claim that says most, a disguised one before an open one.
    fn weigh_terms(&mut self) -> Option<(TextField, &'a FoundTerm)> {
        let mut named = Vec::new();
        let mut claim: Option<(TextField, &FoundTerm)> = None;
        let category = self.declared.category;
        for (field, term) in self.evidence.terms.iter().filter(|(_, term)| term.category == category) {
            // A disguised mention says more than a plain one of the same term, so neither hides the other.
            let mention = (&term.term, term.kind, term.obfuscated);
            if named.contains(&mention) {
                continue;
            }
            named.push(mention);
            let is_reviewed = self.policy.is_reviewed(term);
            match term.kind {
                TermKind::Claim => {
                    self.add(0.9, ReasonCode::ClaimTerm, self.evidence.place_of(*field, term));
                    if self.declared.claim_is_enough || is_reviewed {
                        self.raise();
                    }
                    if claim.is_none_or(|(_, first)| term.obfuscated && !first.obfuscated) {
                        claim = Some((*field, term));
                    }
                }
                TermKind::CodeWord => {
                    // Alone worth a look and no more: code words are mostly ordinary words.
                    self.raise();
                    self.add(0.8, ReasonCode::CodeWord, self.evidence.place_of(*field, term));
                }
                TermKind::LookAlike => {
                    // Sellers name look-alikes to pass, so the word softens the strongest measure and clears nothing.
                    self.suggestion = self.suggestion.min(Suggestion::Review);
                    if is_reviewed {
                        self.raise();
                    }
                    self.add(0.5, ReasonCode::LookAlike, self.evidence.place_of(*field, term));
                }
            }
            if term.obfuscated {
                self.add(0.7, ReasonCode::ObfuscatedText, self.evidence.place_of(*field, term));
            }
        }
        claim
    }

    /// What the rules make of a claim.
    fn weigh_claim(&mut self, field: TextField, term: &FoundTerm) {
        let (rules, signs) = (self.policy.rules, self.evidence.signs);
        let applies = [
            (rules.disguised_claim && term.obfuscated, ReasonCode::DisguisedClaim),
            (rules.claim_for_sale && signs.sale, ReasonCode::ClaimForSale),
            (rules.wanted_to_buy && signs.wanted, ReasonCode::WantedToBuy),
        ];
        for (_, code) in applies.into_iter().filter(|(applies, _)| *applies) {
            self.raise();
            self.add(0.85, code, self.evidence.place_of(field, term));
        }
    }

    /// Images whose words speak for the category: they name or hint at it, or the models say so.
    fn name_images_with_words(&mut self) {
        let (evidence, category) = (self.evidence, self.declared.category);
        for (place, id) in evidence.image_ids.iter().enumerate() {
            let field = TextField::Image(place);
            let speaks = |term: &FoundTerm| term.category == category && term.kind != TermKind::LookAlike;
            let terms = evidence.terms.iter().filter(|(of, term)| *of == field && speaks(term));
            let mut words: Vec<&str> = terms.map(|(_, term)| term.term.as_str()).collect();
            let of_image = evidence.texts.iter().find(|(of, _)| *of == field);
            let probability = of_image.and_then(|(_, logits)| logits.get(category)).map(|logit| logit.probability());
            let is_evidence = probability.is_some_and(|p| p >= self.policy.evidence);
            if words.is_empty() && !is_evidence {
                continue;
            }
            let weighty = evidence.words.iter().find(|(of, about, _)| *of == field && *about == category);
            let weighty = weighty.map(|(_, _, words)| words.as_slice()).unwrap_or_default();
            words.extend(weighty.iter().filter(|_| is_evidence).map(String::as_str));
            let mut named = BTreeSet::new();
            words.retain(|word| named.insert(*word));
            let mut arguments = vec![("image_id", id.clone()), ("words", words.join(", "))];
            arguments.extend(probability.map(|p| ("probability", number(p))));
            self.add(0.88, ReasonCode::TextInImage, arguments);
        }
    }

    /// Where the words speak of no product, an animal in the photo is what the listing is about.
    fn heed_live_animal(&mut self) {
        let category = self.declared.category;
        let is_silent = |term: &FoundTerm| term.category != category || term.kind == TermKind::LookAlike;
        let silent = self.evidence.terms.iter().all(|(_, term)| is_silent(term))
            && self.text_probability().is_none_or(|p| p < self.policy.evidence);
        let (Some(rule), Some((id, _))) = (&self.policy.live_animal, self.image) else { return };
        if self.suggestion == Suggestion::Pass || !silent {
            return;
        }
        let Some(p) = label_of(self.evidence, id, &rule.label).filter(|p| *p >= rule.from) else { return };
        if rule.lowers_block {
            self.suggestion = self.suggestion.min(Suggestion::Review);
        }
        self.add(0.92, ReasonCode::LiveAnimal, vec![("image_id", id.clone()), ("probability", number(p))]);
    }
}

fn label_of(evidence: &Evidence, image_id: &str, name: &str) -> Option<Probability> {
    evidence
        .labels
        .iter()
        .find(|(id, label, _)| id == image_id && label == name)
        .map(|(_, _, probability)| *probability)
}

/// What the logits of a category come to, at the deployment prior. `None`: that modality did not take part.
pub fn fused(policy: &Policy, declared: &CategoryPolicy, image: Option<Logit>, text: Option<Logit>) -> Probability {
    if image.is_none() && text.is_none() {
        // Nothing was seen of this category, so nothing moves it from the prior.
        return policy.deployment_prior;
    }
    let fused = declared.fusion.fuse(image, text);
    shift_prior(fused, policy.training_prior, policy.deployment_prior).probability()
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
