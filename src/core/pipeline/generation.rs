//! What rates together: models, policy, and the scores remembered of those models. A listing is rated by one generation
//! from its first stage to its last, so no answer mixes versions; the last listing that holds an old one frees it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cache::ImageCache;
use super::health::Health;
use super::look_plan::LookPlan;
use super::looks::Spending;
use super::vocabulary;
use super::words_reader::WordsReader;
use crate::config::{Batching, Config};
use crate::domain::{Category, DEFAULT_SET, Modality, ModelVersion, PolicyVersion, SetVersion};
use crate::drift::Shares;
use crate::error::{Error, Result};
use crate::model::catalogue::named::NamedSet;
use crate::model::catalogue::repository::Version;
use crate::model::folder::check::Checks;
use crate::model::folder::files::plain_text;
use crate::model::folder::manifest::{Label, hex_sha256};
use crate::model::folder::set::ModelSet;
use crate::model::runtime::engine::Engine;
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::pace::{Budget, Pace};
use crate::model::runtime::session::Runtime;
use crate::preprocess::image::{DecodeLimits, MARGIN, WantedSize};
use crate::preprocess::text::{Lexicon, LexiconEntry, Meaning, SignRule, TextProcessor, TextReader, TokenReader};
use crate::score::policy::{Policy, Profile, SignGroup, located};

/// Models and policy that serve together.
#[derive(Debug)]
pub struct Generation {
    number: u64,
    set: SetVersion,
    engine: Engine,
    models: Vec<ModelVersion>,
    image_labels: Vec<WeightedLabel>,
    text_scorers: Vec<TextScorer>,
    looks: LookPlan,
    words_reader: Option<WordsReader>,
    policy: Arc<PolicyFile>,
    lexicon: Lexicon,
    cache: Arc<ImageCache>,
    batching: Batching,
    limits: DecodeLimits,
    wanted: WantedSize,
    health: Health,
}

/// A label, and what it counts where several feed its category.
#[derive(Debug, Clone)]
pub struct WeightedLabel {
    /// What the column means.
    pub label: Label,
    /// Above 0; of the label's model in the policy's join.
    pub weight: f64,
}

/// A scorer of texts with the preparation that it asks for.
#[derive(Debug)]
pub struct TextScorer {
    /// What scores the windows.
    pub model: Arc<LoadedModel>,
    /// How texts are prepared for it.
    pub reader: Arc<TextReader>,
    /// Its labels, by column.
    pub labels: Vec<WeightedLabel>,
    /// The look in which it takes part; 0 is the first.
    pub look: usize,
}

/// Largest policy file that is read: far more than the longest lexicon needs.
const MAX_POLICY_BYTES: u64 = 1 << 20;

/// A policy, and the version and hash of its file.
#[derive(Debug)]
pub struct PolicyFile {
    /// What the file says, checked.
    pub policy: Policy,
    /// The version that the file states, and the hash of its bytes.
    pub version: PolicyVersion,
    /// The file's content.
    pub text: String,
}

impl PolicyFile {
    /// Reads and checks a policy file.
    ///
    /// # Errors
    /// [`Error::Setup`] naming file, key and value.
    pub fn read(path: &Path) -> Result<Self> {
        let text = plain_text(path, MAX_POLICY_BYTES)?;
        Self::parse(text).map_err(|problem| Error::file(path, problem))
    }

    /// Reads and checks the policy of `set`, beside the model folders of `config`; `None`: it has none of its own.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the set, the file, key and value.
    pub fn of_set(set: &NamedSet, config: &Config) -> Result<Option<Self>> {
        let told = |problem: String| Error::setup(format!("set {}: policy: {problem}", set.name));
        let text = set
            .policy_text(&config.folders.models, config.folders.max_file_bytes.min(MAX_POLICY_BYTES))
            .map_err(|error| told(error.to_string()))?;
        text.map(|text| Self::parse(text).map_err(told)).transpose()
    }

    /// Checks the content of a policy file.
    ///
    /// # Errors
    /// What is wrong, naming key and value.
    pub fn parse(text: String) -> std::result::Result<Self, String> {
        let policy = Policy::parse(&text)?;
        let version = PolicyVersion { version: policy.version.clone(), sha256: hex_sha256(text.as_bytes()) };
        // Found now rather than when the first listing is read.
        Lexicon::new(lexicon_entries(&policy)).map_err(|(term, problem)| located(&text, &term, &problem))?;
        Ok(Self { policy, version, text })
    }
}

/// The core budget that `config` gives.
pub fn budget(config: &Config, pace: Pace) -> Budget {
    Budget { workers: config.runtime.workers, threads: config.runtime.intra_op_threads, pace }
}

impl Generation {
    /// Puts `set` and `policy` together. Models that `loaded` holds in the same version are shared, and so is what belongs
    /// to models that `before` serves with as well: the text preparation, and the remembered scores of images.
    ///
    /// # Errors
    /// [`Error::Setup`] or [`Error::Model`] naming file and value.
    pub fn assemble(
        (config, checks): (&Config, &Checks<'_>),
        set: &ModelSet,
        policy: Arc<PolicyFile>,
        loaded: &[Arc<LoadedModel>],
        before: Option<&Self>,
    ) -> Result<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let runtime = Runtime::load(&config.runtime.onnxruntime)?.on(config.runtime.provider, config.runtime.fallback);
        let engine = Engine::load(runtime, set, budget(config, Pace::Full), loaded, checks)?;
        let labels = |model: &Arc<LoadedModel>| fed(model, &policy.policy);
        let image_labels: Vec<WeightedLabel> = engine.image_scorers().flat_map(labels).collect();
        let text_scorers = before.map_or(&[][..], |before| &before.text_scorers);
        let scorer = |model: &Arc<LoadedModel>| {
            let known = text_scorers.iter().find(|scorer| Arc::ptr_eq(&scorer.model, model));
            let known = known.map(|scorer| Arc::clone(&scorer.reader));
            let reader = known.map_or_else(|| text_reader(model).map(Arc::new), Ok)?;
            let look = policy.policy.looks.number(Modality::Texts, model.name());
            Ok(TextScorer { model: Arc::clone(model), reader, labels: labels(model), look })
        };
        let text_scorers = engine.text_scorers().iter().map(scorer).collect::<Result<Vec<_>>>()?;
        let looks = LookPlan::new(&engine, &policy.policy)?;
        // What is remembered was joined by the weights of then, after the looks of then.
        let weights = |labels: &[WeightedLabel]| labels.iter().map(|fed| fed.weight.to_bits()).collect::<Vec<_>>();
        let same = |before: &&Self| {
            same_image_models(&before.engine, &engine)
                && weights(&before.image_labels) == weights(&image_labels)
                && before.policy().looks == policy.policy.looks
                && before.looks.categories == looks.categories
        };
        let cache = before.filter(same).map(|before| Arc::clone(&before.cache));
        let models = set.versions();
        let sha256 = content_hash(&models, &policy.version);
        let generation = Self {
            set: SetVersion { name: DEFAULT_SET.to_owned(), sha256 },
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            models,
            image_labels,
            text_scorers,
            looks,
            words_reader: WordsReader::of(&engine)?,
            wanted: WantedSize::for_inputs(engine.image_specs(), MARGIN),
            engine,
            lexicon: Lexicon::new(lexicon_entries(&policy.policy))
                .map_err(|(_, problem)| Error::setup(format!("policy: {problem}")))?,
            policy,
            cache: cache.unwrap_or_else(|| Arc::new(ImageCache::new(config.cache_images))),
            batching: config.batching,
            limits: DecodeLimits { max_pixels: config.limits.max_image_pixels },
            health: Health::default(),
        };
        Ok(if config.unhurried { generation.unhurried(None) } else { generation })
    }

    /// What the cards of the models that look first say of usual scores; of a category that several of them rate none does.
    pub fn references(&self) -> impl Iterator<Item = ((Modality, Category), Shares)> {
        let (images, texts) = (self.engine.image_scorers(), self.engine.text_scorers().iter());
        let all = images.map(|model| (Modality::Images, model)).chain(texts.map(|model| (Modality::Texts, model)));
        let first = all.filter(|(modality, model)| self.policy().looks.number(*modality, model.name()) == 0);
        let cards = first.map(|(modality, model)| (modality, &model.folder().manifest.card.reference));
        let mut found: BTreeMap<(Modality, Category), Vec<Shares>> = BTreeMap::new();
        for (modality, reference) in cards {
            for (category, shares) in reference {
                found.entry((modality, *category)).or_default().push(*shares);
            }
        }
        found.into_iter().filter_map(|(of, shares)| if let [one] = shares[..] { Some((of, one)) } else { None })
    }

    /// Tells generations apart within this process.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The same under the name of a set.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.set.name);
        self
    }

    /// For work that nobody waits for: looks are taken under `profile`, or the policy's, whatever waits and whatever was spent. What
    /// is rated then depends on nothing that came before it.
    #[must_use]
    pub fn unhurried(mut self, profile: Option<Profile>) -> Self {
        let profile = profile.unwrap_or(self.policy().looks.profile);
        let all = Spending::unlimited(profile);
        self.looks.images.spend(all);
        self.looks.texts.spend(all);
        self.looks.words.iter_mut().for_each(|words| words.spend(all));
        self
    }

    /// What is spent on looks after the first.
    pub fn profile(&self) -> Profile {
        self.looks.images.profile()
    }

    /// The set's name, and a hash of all that rates.
    pub fn set(&self) -> &SetVersion {
        &self.set
    }

    /// The models' sessions.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Name, version and hash of every model.
    pub fn models(&self) -> &[ModelVersion] {
        &self.models
    }

    /// Its models as the versions they are.
    pub fn versions(&self) -> Vec<Arc<Version>> {
        self.engine.models().map(|model| Arc::new(Version::of(model.folder()))).collect()
    }

    /// Labels of the scorers over images, in the order of their scores.
    pub fn image_labels(&self) -> &[WeightedLabel] {
        &self.image_labels
    }

    /// The scorers of texts.
    pub fn text_scorers(&self) -> &[TextScorer] {
        &self.text_scorers
    }

    /// Which model takes part in which look, and who takes more than the first.
    pub(super) fn looks(&self) -> &LookPlan {
        &self.looks
    }

    /// What reads words in photos, where it is in service.
    pub(super) fn words_reader(&self) -> Option<&WordsReader> {
        self.words_reader.as_ref()
    }

    /// What makes scores a rating.
    pub fn policy(&self) -> &Policy {
        &self.policy.policy
    }

    /// The policy with its file's version.
    pub fn policy_file(&self) -> &Arc<PolicyFile> {
        &self.policy
    }

    /// Its version and hash.
    pub fn policy_version(&self) -> &PolicyVersion {
        &self.policy.version
    }

    /// Checks the categories that a caller asks for.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the first that the policy does not look for.
    pub fn check_categories(&self, wanted: &[Category]) -> Result<()> {
        let known = || self.policy().enabled().map(|declared| declared.category);
        let is_lost = |(_, category): &(usize, &Category)| !known().any(|one| one == **category);
        let Some((index, lost)) = wanted.iter().enumerate().find(is_lost) else { return Ok(()) };
        let known = known().map(|category| category.to_string()).collect::<Vec<_>>().join(", ");
        Err(Error::invalid(
            format!("options.categories[{index}]"),
            format!("{:?} is not looked for; the policy looks for {known}", lost.name()),
        ))
    }

    /// Whether a model of images, and whether a model of texts, rates `category`.
    pub fn rates(&self, category: Category) -> (bool, bool) {
        let feeds = |labels: &[WeightedLabel]| labels.iter().any(|fed| fed.label.category == Some(category));
        (feeds(&self.image_labels), self.text_scorers.iter().any(|reader| feeds(&reader.labels)))
    }

    /// The policy's terms.
    pub fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }

    /// Scores of images that these models have seen.
    pub fn cache(&self) -> &ImageCache {
        &self.cache
    }

    /// How jobs are put together.
    pub fn batching(&self) -> Batching {
        self.batching
    }

    /// How it does with the listings it rates.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Limits of decoding.
    pub fn limits(&self) -> DecodeLimits {
        self.limits
    }

    /// How large decoded frames must be for these models.
    pub fn decode_size(&self) -> WantedSize {
        self.wanted
    }
}

/// See [`SetVersion::sha256`].
fn content_hash(models: &[ModelVersion], policy: &PolicyVersion) -> String {
    let mut lines: Vec<String> =
        models.iter().map(|model| format!("{} {} {}\n", model.name, model.version, model.sha256)).collect();
    lines.sort();
    lines.push(format!("policy {}\n", policy.sha256));
    hex_sha256(lines.concat().as_bytes())
}

fn same_image_models(a: &Engine, b: &Engine) -> bool {
    a.image_models().map(Arc::as_ptr).eq(b.image_models().map(Arc::as_ptr))
}

fn lexicon_entries(policy: &Policy) -> Vec<LexiconEntry> {
    let entry = |term: &String, meaning| LexiconEntry { term: term.clone(), meaning };
    let looked_for = policy.chosen(&[]);
    let groups = policy.terms.iter().filter(|group| looked_for.contains(&group.category));
    let terms = groups.flat_map(|group| {
        let meaning = if group.only_disguised {
            Meaning::OnlyDisguised(group.category)
        } else {
            Meaning::Term(group.kind, group.category)
        };
        group.terms.iter().map(move |term| entry(term, meaning))
    });
    let harmless = policy.harmless.iter().map(|term| entry(term, Meaning::Harmless));
    let notices = policy
        .notices
        .iter()
        .flat_map(|group| group.terms.iter().map(move |term| entry(term, Meaning::Notice(group.kind))));
    let signs = policy.signs.iter().flat_map(|group| {
        let &SignGroup { kind: sign, within_chars: within, begins_clause, beside_number, .. } = group;
        let meaning = Meaning::Sign(SignRule { sign, within, begins_clause, beside_number });
        group.terms.iter().map(move |term| entry(term, meaning))
    });
    terms.chain(harmless).chain(notices).chain(signs).collect()
}

/// Labels of `model` with the weights that `policy` gives it.
fn fed(model: &Arc<LoadedModel>, policy: &Policy) -> Vec<WeightedLabel> {
    let modality = model.kind().modality();
    let weight = |label: &Label| {
        let weights = label.category.and_then(|category| policy.join((category, modality)));
        weights.and_then(|weights| weights.get(model.name())).copied().unwrap_or(1.0)
    };
    let labels = model.folder().manifest.labels.iter();
    labels.map(|label| WeightedLabel { label: label.clone(), weight: weight(label) }).collect()
}

fn text_reader(model: &LoadedModel) -> Result<TextReader> {
    let folder = model.folder();
    if let Some(tokens) = &folder.manifest.tokens {
        let at = |problem: Error| Error::file(&folder.path.join(&tokens.tokenizer), problem);
        let reader = TokenReader::new(tokens.spec(), &folder.file(&tokens.tokenizer)?).map_err(at)?;
        vocabulary::probe(model, &reader).map_err(at)?;
        return Ok(TextReader::Tokens(reader));
    }
    let text = folder.manifest.text.as_ref().ok_or_else(|| Error::file(&folder.path, "[text] is missing"))?;
    let words = folder.file(&text.words)?;
    let words = std::str::from_utf8(&words).map_err(|cause| Error::file(&folder.path.join(&text.words), cause))?;
    TextProcessor::new(text.spec(), words).map(TextReader::Features)
}
