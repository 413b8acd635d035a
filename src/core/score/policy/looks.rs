//! `[looks]`: which models look at everything, and which only at what the looks before them leave in doubt.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::category::{CategoryPolicy, probability};
use crate::domain::{Category, Logit, Modality, PerCategory, Probability};

/// Most looks of a modality after the first.
const MAX_FURTHER: usize = 4;
/// Most models of a look.
const MAX_MODELS: usize = 64;
const MAX_NAME_CHARS: usize = 64;
/// Least share: less would say that the look should not be.
const LEAST_SHARE: f64 = 0.0001;

/// What is spent on looks after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Nothing: the first look answers.
    Fast,
    /// What is in a band is looked at again, up to the budget.
    #[default]
    Balanced,
    /// Everything takes every look, whatever it costs.
    Thorough,
}

impl Profile {
    /// As the policy writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::Thorough => "thorough",
        }
    }
}

/// The looks after the first, in their order, by modality. Models that none of them names take the first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Looks {
    /// What is spent on them.
    pub profile: Profile,
    /// At photos.
    pub images: Vec<Look>,
    /// At texts.
    pub texts: Vec<Look>,
    /// At the words in photos; `None`: they are not read.
    pub words: Option<WordsLook>,
}

/// The look at words in photos: what is read there is rated as a text of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct WordsLook {
    /// Label of an image model that feeds no category and tells of photos with words; none: any photo may have some.
    pub label: Option<String>,
    /// Its probability from which a photo is worth reading.
    pub from: Probability,
    /// Largest share of the photos that may be read, in 0.0001 to 1.
    pub share: f64,
    /// Lines that are read of a photo, the largest first, in 1 to 64.
    pub lines: usize,
}

impl WordsLook {
    /// How likely words are where `labels` are what is known of a photo, in 0 to 1. `None`: too little.
    pub fn promise(&self, labels: &[(String, Probability)]) -> Option<f64> {
        let Some(wanted) = &self.label else { return Some(1.0) };
        let (_, probability) = labels.iter().find(|(name, _)| name == wanted)?;
        (*probability >= self.from).then(|| probability.value())
    }
}

/// A look after the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Names of the scorers that take part.
    pub models: Vec<String>,
    /// Largest share of the photos or texts that may take it, in 0.0001 to 1.
    pub share: f64,
    /// Where the looks before leave doubt; a category without a band sends nothing on.
    pub bands: BTreeMap<Category, Band>,
}

/// An interval of the calibrated probability that one modality has after the looks before, both ends included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    from: Logit,
    to: Logit,
}

impl Band {
    /// How far inside `logit` lies: 1 in the middle of the band, 0 at its ends, measured in logits. `None`: outside.
    fn doubt(self, logit: Logit) -> Option<f64> {
        let depth = (logit.0 - self.from.0).min(self.to.0 - logit.0);
        (depth >= 0.0).then(|| depth / ((self.to.0 - self.from.0) / 2.0))
    }
}

impl Look {
    /// How much doubt the looks before leave, the most of any category in `categories`: in 0 to 1. `None`: none. What no look before
    /// said anything of, as of a text without words, is no doubt of theirs.
    pub fn doubt(&self, seen: &PerCategory<Logit>, categories: &[Category]) -> Option<f64> {
        let of_band = |(category, band): (&Category, &Band)| band.doubt(*seen.get(*category)?);
        let asked = self.bands.iter().filter(|(category, _)| categories.contains(category));
        asked.filter_map(of_band).max_by(f64::total_cmp)
    }
}

impl Looks {
    /// Those of a modality after its first.
    pub fn of(&self, modality: Modality) -> &[Look] {
        match modality {
            Modality::Images => &self.images,
            Modality::Texts => &self.texts,
        }
    }

    /// The look in which a scorer of that name takes part; 0 is the first.
    pub fn number(&self, modality: Modality, model: &str) -> usize {
        let looks = self.of(modality).iter();
        looks.zip(1..).find(|(look, _)| look.models.iter().any(|name| name == model)).map_or(0, |(_, number)| number)
    }
}

/// As the file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLooks {
    profile: Profile,
    images: Vec<RawLook>,
    texts: Vec<RawLook>,
    words: Option<RawWords>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWords {
    label: Option<String>,
    #[serde(default = "even")]
    from: f64,
    share: f64,
    lines: usize,
}

fn even() -> f64 {
    0.5
}

/// Most lines that are read of a photo: each is a run.
const MAX_LINES: usize = 64;

impl RawWords {
    fn checked(self) -> Result<WordsLook, String> {
        let Self { label, from, share, lines } = self;
        if let Some(odd) = label.as_ref().filter(|name| !(1..=MAX_NAME_CHARS).contains(&name.chars().count())) {
            return Err(format!("looks.words.label: {odd:?} must be 1 to {MAX_NAME_CHARS} characters"));
        }
        if !(1..=MAX_LINES).contains(&lines) {
            return Err(format!("looks.words.lines: {lines} must be in 1 to {MAX_LINES}"));
        }
        let share = checked_share(share).map_err(|problem| format!("looks.words.{problem}"))?;
        Ok(WordsLook { label, from: probability("looks.words.from", from)?, share, lines })
    }
}

fn checked_share(share: f64) -> Result<f64, String> {
    let is_one = (LEAST_SHARE..=1.0).contains(&share);
    if is_one { Ok(share) } else { Err(format!("share: {share} must be in {LEAST_SHARE} to 1")) }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLook {
    models: Vec<String>,
    share: f64,
    bands: BTreeMap<Category, RawBand>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBand {
    from: f64,
    to: f64,
}

impl RawLooks {
    /// Checks what the file says of looks at what it `declared`.
    ///
    /// # Errors
    /// What is wrong, naming the key, the value and what is allowed.
    pub(super) fn checked(self, declared: &[CategoryPolicy]) -> Result<Looks, String> {
        let Self { profile, images, texts, words } = self;
        let (images, texts) = (further("images", images, declared)?, further("texts", texts, declared)?);
        Ok(Looks { profile, images, texts, words: words.map(RawWords::checked).transpose()? })
    }
}

fn further(modality: &str, raw: Vec<RawLook>, declared: &[CategoryPolicy]) -> Result<Vec<Look>, String> {
    if raw.len() > MAX_FURTHER {
        return Err(format!("looks.{modality}: {} looks after the first; at most {MAX_FURTHER}", raw.len()));
    }
    let mut named = BTreeSet::new();
    let mut looks = Vec::with_capacity(raw.len());
    for (raw, number) in raw.into_iter().zip(1..) {
        let told = |problem: String| format!("looks.{modality}, entry {number}: {problem}");
        let look = one(raw, declared).map_err(told)?;
        if let Some(twice) = look.models.iter().find(|name| !named.insert((*name).clone())) {
            return Err(told(format!("models: {twice:?} is named twice")));
        }
        looks.push(look);
    }
    Ok(looks)
}

fn one(raw: RawLook, declared: &[CategoryPolicy]) -> Result<Look, String> {
    let RawLook { models, share, bands } = raw;
    if !(1..=MAX_MODELS).contains(&models.len()) {
        return Err(format!("models: {} of them; name 1 to {MAX_MODELS}", models.len()));
    }
    let is_name = |name: &&String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        (1..=MAX_NAME_CHARS).contains(&name.len()) && name.chars().all(plain)
    };
    if let Some(odd) = models.iter().find(|name| !is_name(name)) {
        let shown: String = odd.chars().take(MAX_NAME_CHARS).collect();
        return Err(format!("models: {shown:?} must be 1 to {MAX_NAME_CHARS} letters, digits, '_', '-' or '.'"));
    }
    let share = checked_share(share)?;
    let mut checked = BTreeMap::new();
    for (category, RawBand { from, to }) in bands {
        if !declared.iter().any(|known| known.category == category) {
            return Err(format!("bands: there is no category {category}"));
        }
        let end = |key: &str, value| probability(&format!("bands.{category}.{key}"), value).map(Probability::logit);
        let band = Band { from: end("from", from)?, to: end("to", to)? };
        if band.from >= band.to {
            return Err(format!("bands.{category}: from, {from}, must be below to, {to}"));
        }
        checked.insert(category, band);
    }
    if checked.is_empty() {
        return Err("bands: there are none, so nothing would take this look".into());
    }
    Ok(Look { models, share, bands: checked })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::score::policy::Policy;

    const SHIPPED: &str = include_str!("../../../../models/policy.toml");

    /// The shipped policy without looks of its own, and `looks`.
    fn with(looks: &str) -> Result<Policy, String> {
        let mut document: toml::Table = SHIPPED.parse().unwrap();
        document.remove("looks");
        let looks: toml::Table = looks.parse().unwrap();
        document.extend(looks);
        Policy::parse(&document.to_string())
    }

    fn category(name: &str) -> Category {
        Category::new(name).unwrap()
    }

    #[test]
    fn without_a_declaration_there_is_one_look() {
        let looks = with("").unwrap().looks;
        assert_eq!((looks.images.len(), looks.texts.len(), looks.profile), (0, 0, Profile::Balanced));
        assert_eq!(looks.number(Modality::Images, "anything"), 0);
    }

    #[test]
    fn looks_that_cannot_be_taken_are_refused_naming_key_and_limit() {
        let first = Policy::parse(SHIPPED).unwrap().categories[0].category;
        let look = |models: &str, share: &str, band: &str| {
            format!("[[looks.texts]]\nmodels = [{models}]\nshare = {share}\nbands = {{ {band} }}\n")
        };
        let band = format!("{first} = {{ from = 0.1, to = 0.9 }}");
        assert!(with(&look("\"a\"", "0.2", &band)).is_ok());
        for (looks, told) in [
            (look("", "0.2", &band), "looks.texts, entry 1: models: 0 of them; name 1 to 64"),
            (look("\"a\", \"a\"", "0.2", &band), "models: \"a\" is named twice"),
            (look("\"\"", "0.2", &band), "models: \"\" must be 1 to 64 letters"),
            (look("\"a\"", "1e-320", &band), "must be in 0.0001 to 1"),
            (look("\"a\"", "0.0", &band), "share: 0 must be in 0.0001 to 1"),
            (look("\"a\"", "nan", &band), "share: NaN must be"),
            (look("\"a\"", "0.2", ""), "bands: there are none"),
            (look("\"a\"", "0.2", "cups = { from = 0.1, to = 0.9 }"), "bands: there is no category cups"),
            (
                look("\"a\"", "0.2", &format!("{first} = {{ from = 0.9, to = 0.1 }}")),
                "from, 0.9, must be below to, 0.1",
            ),
            (look("\"a\"", "0.2", &format!("{first} = {{ from = 0.0, to = 0.1 }}")), "above 0 and below 1"),
            (format!("{0}{0}", look("\"a\"", "0.2", &band)), "entry 2: models: \"a\" is named twice"),
            ((0..5).map(|n| look(&format!("\"m{n}\""), "0.2", &band)).collect(), "5 looks after the first; at most 4"),
            ("[looks]\nprofile = \"slow\"\n".to_owned(), "`fast`, `balanced`, `thorough`"),
        ] {
            let problem = with(&looks).unwrap_err();
            assert!(problem.contains(told), "{problem}\nlacks {told}");
        }
    }

    #[test]
    fn what_no_look_has_rated_is_in_no_doubt_nor_is_what_nobody_asks_for() {
        let (a, b) = (category("a"), category("b"));
        let band = Band { from: Logit(-2.0), to: Logit(2.0) };
        let look = Look { models: vec!["m".into()], share: 1.0, bands: [(a, band), (b, band)].into() };
        let mut seen = PerCategory::default();
        seen.set(a, Logit(5.0));
        assert_eq!(look.doubt(&seen, &[a, b]), None);
        seen.set(b, Logit(1.0));
        assert_eq!(look.doubt(&seen, &[a]), None);
        assert_eq!(look.doubt(&seen, &[a, b]), Some(0.5));
    }

    proptest! {
        #[test]
        fn doubt_is_none_outside_the_band_and_grows_towards_its_middle(from in -8.0..7.9, width in 0.01..10.0, at in -20.0..20.0) {
            let band = Band { from: Logit(from), to: Logit(from + width) };
            match band.doubt(Logit(at)) {
                None => prop_assert!(at < from || at > from + width),
                Some(doubt) => {
                    prop_assert!((-1e-9..=1.0 + 1e-9).contains(&doubt));
                    let middle = from + width / 2.0;
                    let nearer = band.doubt(Logit((at + middle) / 2.0)).unwrap();
                    prop_assert!(nearer >= doubt - 1e-9);
                }
            }
        }
    }
}
