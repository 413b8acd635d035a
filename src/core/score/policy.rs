//! `policy.toml`: categories, priors, thresholds, rules, lexicon and legal bases, parsed and checked. Unknown keys are errors.

mod category;
mod looks;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

pub use self::category::{Bilingual, CategoryPolicy, Join, MAX_CATEGORIES, Weights};
use self::category::{RawCategory, checked, probability, suggestion_thresholds};
use self::looks::RawLooks;
pub use self::looks::{Look, Looks, Profile, WordsLook};
use crate::domain::{
    Category, Declared, FoundTerm, LegalBasis, Level, Modality, Notice, Probability, Rated, Sign, TermKind,
};
use crate::score::fuse::LOGIT_BOUND;

/// A checked policy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// As the file says.
    pub version: String,
    /// Share of listings that offer a prohibited product, a category, where the server is deployed.
    pub deployment_prior: Probability,
    /// The prior at which models and fusion were fitted.
    pub training_prior: Probability,
    /// What is declared, in the order of answers, the categories that are not enabled among them.
    pub categories: Vec<CategoryPolicy>,
    /// Where the bands begin.
    pub levels: Thresholds,
    /// Fused probability from which a listing is suggested for review, in categories that have none of their own.
    pub review: Probability,
    /// The same from which it is suggested to be blocked.
    pub block: Probability,
    /// Modalities whose probabilities differ by more than this disagree.
    pub disagreement_margin: f64,
    /// Probability of one modality from which it is named as a reason.
    pub evidence: Probability,
    /// Taken off the calibrated logit of every text, in 0 to [`LOGIT_BOUND`].
    pub text_caution: f64,
    /// Which models look at what.
    pub looks: Looks,
    /// The lexicon, in groups of one kind and category.
    pub terms: Vec<TermGroup>,
    /// Words that hold a term and mean something else.
    pub harmless: Vec<String>,
    /// Signs of a trade.
    pub signs: Vec<SignGroup>,
    /// What is named besides.
    pub notices: Vec<NoticeGroup>,
    /// What raises a listing to REVIEW by rule.
    pub rules: ReviewRules,
    /// What is known of photos of live animals; `None`: nothing.
    pub live_animal: Option<LiveAnimal>,
    /// Provisions of law.
    pub legal_basis: Vec<LegalBasis>,
}

/// Lower ends of the bands above MINIMAL, at the deployment prior.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Of LOW.
    pub low: Probability,
    /// Of MEDIUM.
    pub medium: Probability,
    /// Of HIGH.
    pub high: Probability,
    /// Of CRITICAL.
    pub critical: Probability,
}

impl Thresholds {
    /// The band `risk` falls into; a threshold belongs to the band above it.
    pub fn level(&self, risk: Probability) -> Level {
        let bands = [
            (self.critical, Level::Critical),
            (self.high, Level::High),
            (self.medium, Level::Medium),
            (self.low, Level::Low),
        ];
        bands.into_iter().find(|(from, _)| risk >= *from).map_or(Level::Minimal, |(_, level)| level)
    }
}

/// Which rules raise PASS to REVIEW. Each is a switch of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewRules {
    /// A claim in disguise.
    pub disguised_claim: bool,
    /// A claim beside a sign of sale.
    pub claim_for_sale: bool,
    /// A claim beside a sign that somebody wants to buy.
    pub wanted_to_buy: bool,
    /// A photo that alone is a REVIEW stays one, whatever the text says.
    pub photo_stands: bool,
    /// Another protected animal's product is named.
    pub other_wildlife: bool,
    /// A text is in a language that nothing here reads.
    pub unsupported_language: bool,
}

/// When a photo shows a live animal and no product.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveAnimal {
    /// Label of an image model that feeds no category.
    pub label: String,
    /// Its probability from which the photo counts as one, in (0, 1).
    pub from: Probability,
    /// Whether such a photo, where no word names a product, lowers BLOCK to REVIEW.
    pub lowers_block: bool,
}

/// Signs of a trade, of one kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignGroup {
    /// What they say of it.
    pub kind: Sign,
    /// Their spellings.
    pub terms: Vec<String>,
    /// They count when the clauses from them to a claim, whole, hold at most so many characters: everyday verbs stand in news
    /// and judgments, too. `None`: anywhere.
    #[serde(default)]
    pub within_chars: Option<usize>,
    /// They count only where a clause begins.
    #[serde(default)]
    pub begins_clause: bool,
    /// They count only beside a number: units and currencies.
    #[serde(default)]
    pub beside_number: bool,
}

/// Names of what is no category and still worth a reason.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeGroup {
    /// What they say.
    pub kind: Notice,
    /// Their spellings.
    pub terms: Vec<String>,
}

/// Terms of one kind and category.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermGroup {
    /// What they say.
    pub kind: TermKind,
    /// Of which category.
    pub category: Category,
    /// Their spellings.
    pub terms: Vec<String>,
    /// Each alone means REVIEW, as a code word does; for look-alikes and claims that are to be looked at.
    #[serde(default)]
    pub review: bool,
    /// They count only in disguise: openly the word says nothing, as the name of a colour. Of claims.
    #[serde(default)]
    pub only_disguised: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    version: String,
    deployment_prior: f64,
    training_prior: f64,
    disagreement_margin: f64,
    evidence: f64,
    #[serde(default)]
    text_caution: f64,
    category: Vec<RawCategory>,
    #[serde(default)]
    looks: RawLooks,
    levels: RawLevels,
    suggestions: RawSuggestions,
    #[serde(default)]
    lexicon: Vec<TermGroup>,
    #[serde(default)]
    harmless: Vec<String>,
    #[serde(default)]
    signs: Vec<SignGroup>,
    #[serde(default)]
    notices: Vec<NoticeGroup>,
    rules: ReviewRules,
    live_animal: Option<RawLiveAnimal>,
    #[serde(default)]
    legal_basis: Vec<LegalBasis>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLiveAnimal {
    label: String,
    from: f64,
    lowers_block: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLevels {
    low: f64,
    medium: f64,
    high: f64,
    critical: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSuggestions {
    review: f64,
    block: f64,
}

impl Policy {
    /// Parses and checks the text of a policy file.
    ///
    /// # Errors
    /// What is wrong, naming the key, the value and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let raw: RawPolicy = toml::from_str(text).map_err(|cause| cause.to_string())?;
        let levels = Thresholds {
            low: probability("levels.low", raw.levels.low)?,
            medium: probability("levels.medium", raw.levels.medium)?,
            high: probability("levels.high", raw.levels.high)?,
            critical: probability("levels.critical", raw.levels.critical)?,
        };
        if !(levels.low < levels.medium && levels.medium < levels.high && levels.high < levels.critical) {
            let found = [raw.levels.low, raw.levels.medium, raw.levels.high, raw.levels.critical];
            return Err(format!("levels: {found:?} must rise from low to critical"));
        }
        if !(0.0..=1.0).contains(&raw.disagreement_margin) {
            return Err(format!("disagreement_margin: {} must be in 0 to 1", raw.disagreement_margin));
        }
        if !(0.0..=LOGIT_BOUND).contains(&raw.text_caution) {
            return Err(format!("text_caution: {} must be in 0 to {LOGIT_BOUND}", raw.text_caution));
        }
        let live_animal = match &raw.live_animal {
            Some(RawLiveAnimal { label, from, lowers_block }) => Some(LiveAnimal {
                label: label.clone(),
                from: probability("live_animal.from", *from)?,
                lowers_block: *lowers_block,
            }),
            None => None,
        };
        check_terms(&raw).map_err(|(term, problem)| located(text, &term, &problem))?;
        let mut ids = BTreeSet::new();
        if let Some(twice) = raw.legal_basis.iter().find(|basis| !ids.insert(&basis.id)) {
            return Err(format!("legal_basis: the id {:?} is given twice", twice.id));
        }
        let (review, block) = suggestion_thresholds((raw.suggestions.review, raw.suggestions.block))
            .map_err(|problem| format!("suggestions.{problem}"))?;
        let categories = checked(raw.category, (review, block), &raw.legal_basis)?;
        let looks = raw.looks.checked(&categories)?;
        Ok(Self {
            version: raw.version,
            deployment_prior: probability("deployment_prior", raw.deployment_prior)?,
            training_prior: probability("training_prior", raw.training_prior)?,
            categories,
            levels,
            review,
            block,
            disagreement_margin: raw.disagreement_margin,
            evidence: probability("evidence", raw.evidence)?,
            text_caution: raw.text_caution,
            looks,
            terms: raw.lexicon,
            harmless: raw.harmless,
            signs: raw.signs,
            notices: raw.notices,
            rules: raw.rules,
            live_animal,
            legal_basis: raw.legal_basis,
        })
    }
}

impl Policy {
    /// What the choice of models must know of it: every category, enabled or not, and which models it joins.
    pub fn declared(&self) -> Declared {
        let joined = self.categories.iter().flat_map(|declared| {
            let of = |modality| {
                let names: Vec<String> = declared.join.of(modality).keys().cloned().collect();
                (!names.is_empty()).then_some(((declared.category, modality), names))
            };
            [Modality::Images, Modality::Texts].into_iter().filter_map(of)
        });
        Declared::new(self.categories.iter().map(|declared| declared.category).collect(), joined.collect())
    }

    /// The weights by which models that rate the same are joined; none: one rates it alone.
    pub fn join(&self, (category, modality): Rated) -> Option<&Weights> {
        let declared = self.categories.iter().find(|declared| declared.category == category)?;
        Some(declared.join.of(modality)).filter(|weights| !weights.is_empty())
    }

    /// What is looked for, in the order of answers.
    pub fn enabled(&self) -> impl Iterator<Item = &CategoryPolicy> {
        self.categories.iter().filter(|declared| declared.enabled)
    }

    /// The categories that are looked for, in the order of answers; of those in `wanted` when it names any.
    pub fn chosen(&self, wanted: &[Category]) -> Vec<Category> {
        let names = self.enabled().map(|declared| declared.category);
        names.filter(|category| wanted.is_empty() || wanted.contains(category)).collect()
    }

    /// Whether a group of its kind and category that is marked `review` lists `found`.
    pub fn is_reviewed(&self, found: &FoundTerm) -> bool {
        let is_of = |group: &&TermGroup| group.review && (group.kind, group.category) == (found.kind, found.category);
        self.terms.iter().filter(is_of).any(|group| group.terms.contains(&found.term))
    }
}

/// Farthest that a sign may stand from a claim; work on a text grows with it.
const MAX_WITHIN_CHARS: usize = 1000;

/// No blank term, none of one letter where it would stand in too many words, none twice with different meanings. A refusal names
/// the term and what is wrong with it.
fn check_terms(raw: &RawPolicy) -> Result<(), (String, String)> {
    let declared: Vec<Category> = raw.category.iter().map(RawCategory::name).collect();
    let mut seen: BTreeMap<(&str, Category), TermKind> = BTreeMap::new();
    for (number, group) in raw.lexicon.iter().enumerate() {
        let place = format!("lexicon, entry {} ({}, {})", number + 1, group.kind.name(), group.category);
        if !declared.contains(&group.category) {
            let names = declared.iter().map(Category::name).collect::<Vec<_>>().join(", ");
            let problem = format!("{place}: there is no such category; [[category]] declares {names}");
            return Err((group.terms.last().cloned().unwrap_or_default(), problem));
        }
        if group.only_disguised && group.kind != TermKind::Claim {
            return Err((
                group.terms.last().cloned().unwrap_or_default(),
                format!("{place}: only_disguised is for claims"),
            ));
        }
        for term in &group.terms {
            check_letters(&place, term, 2)?;
            if let Some(other) = seen.insert((term.trim(), group.category), group.kind)
                && other != group.kind
            {
                return Err((term.clone(), format!("{place}: the term {term:?} is listed as {}, too", other.name())));
            }
        }
    }
    for (number, group) in raw.signs.iter().enumerate() {
        let least = if group.begins_clause || group.beside_number { 1 } else { 2 };
        let place = format!("signs, entry {}", number + 1);
        if let Some(most) = group.within_chars.filter(|most| !(1..=MAX_WITHIN_CHARS).contains(most)) {
            return Err((String::new(), format!("{place}: within_chars: {most} must be in 1 to {MAX_WITHIN_CHARS}")));
        }
        group.terms.iter().try_for_each(|term| check_letters(&place, term, least))?;
    }
    for (number, group) in raw.notices.iter().enumerate() {
        let place = format!("notices, entry {}", number + 1);
        group.terms.iter().try_for_each(|term| check_letters(&place, term, 2))?;
    }
    raw.harmless.iter().try_for_each(|term| check_letters("harmless", term, 2))
}

fn check_letters(place: &str, term: &str, least: usize) -> Result<(), (String, String)> {
    let problem = match term.chars().filter(|c| !c.is_whitespace()).count() {
        0 => "is blank",
        letters if letters < least => "is one character and stands in too many words",
        _ => return Ok(()),
    };
    Err((term.to_owned(), format!("{place}: the term {term:?} {problem}")))
}

/// `problem` with the last line of the file that lists `term`: what is said twice is wrong where it is said again.
pub fn located(text: &str, term: &str, problem: &str) -> String {
    let quoted = [format!("\"{term}\""), format!("'{term}'"), toml::Value::from(term).to_string()];
    let lists = |line: &str| !line.trim_start().starts_with('#') && quoted.iter().any(|quoted| line.contains(quoted));
    match text.lines().zip(1..).filter(|(line, _)| lists(line)).last() {
        Some((_, line)) => format!("line {line}: {problem}"),
        _ => problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_that_contradict_themselves_are_refused_naming_the_category() {
        // Without its joins, since these are tried, too.
        let lines = include_str!("../../../models/policy.toml").lines().filter(|line| !line.starts_with("join = "));
        let shipped = &lines.flat_map(|line| [line, "\n"]).collect::<String>();
        let changed = |from: &str, to: &str| {
            assert!(shipped.contains(from), "{from}");
            Policy::parse(&shipped.replacen(from, to, 1)).unwrap_err()
        };
        let first = Policy::parse(shipped).unwrap().declared().categories()[0];
        let line = format!("name = \"{first}\"\n");
        for (from, to, said) in [
            ("aliases = []", "aliases = [\" x\"]", "blank"),
            ("aliases = []", "aliases = [\"a;b\"]", "semicolon"),
            ("intercept = ", "intercept = 1e9 # ", "1000"),
            ("text_caution = ", "text_caution = -1 # ", "0 to 8"),
            (&line, &format!("{line}review = 0.95\n"), "below block"),
            (&line, &format!("{line}enabled = 1\n"), "boolean"),
            (&line, &format!("{line}join = {{ images = {{ one = 1.0 }} }}\n"), "name 2 to 8"),
            (&line, &format!("{line}join = {{ texts = {{ one = 1.0, two = 0.0 }} }}\n"), "join.texts.two: 0 must be"),
            ("\"wapl-2022-28\",", "\"nowhere\",", "nowhere"),
        ] {
            let problem = changed(from, to);
            assert!(problem.contains(said), "{problem}");
        }
        let last = shipped.rfind("[[category]]").unwrap();
        let (before, entry) = shipped.split_at(last);
        let twice = format!("{before}{}{entry}", &shipped[shipped.find("[[category]]").unwrap()..last]);
        assert!(Policy::parse(&twice).unwrap_err().contains("is given twice"));
    }

    #[test]
    fn a_lexicon_that_says_two_things_or_nothing_is_refused_with_its_entry() {
        let shipped = include_str!("../../../models/policy.toml");
        let category = Policy::parse(shipped).unwrap().declared().categories()[0];
        for (terms, said) in [("[\" \"]", "blank"), ("[\"牙\"]", "one character"), ("[\"猛犸牙\"]", "look_alike")] {
            let mut text = shipped.to_owned();
            for (kind, terms) in [("look_alike", "[\"猛犸牙\"]"), ("code_word", terms)] {
                text.push_str(&format!(
                    "\n[[lexicon]]\nkind = \"{kind}\"\ncategory = \"{category}\"\nterms = {terms}\n"
                ));
            }
            let problem = Policy::parse(&text).unwrap_err();
            assert!(problem.contains(said) && problem.contains("entry") && problem.starts_with("line "), "{problem}");
        }
    }
}
