//! Scores of images seen before, by the hash of their bytes: reposted photos are the rule on marketplaces. The cache
//! belongs to a generation and goes with it, so a score never outlives the models that gave it.

use std::time::Duration;

use moka::sync::Cache;

use super::outcome::{ImageOutcome, Taken, WordsOutcome};
use crate::domain::{ImageFacts, LeftOut, Logit, PerCategory, Probability};
use crate::preprocess::image::Doubt;

/// What tells images apart: BLAKE3 of their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The hash of `content`. Cryptographic, so nobody can craft a photo that is answered with another's scores.
    pub fn of(content: &[u8]) -> Self {
        Self(blake3::hash(content).into())
    }
}

/// What is kept of an outcome. Explanations are not: they are rarely asked for and large.
#[derive(Debug, Clone)]
struct Kept {
    facts: ImageFacts,
    doubt: Option<Doubt>,
    logits: PerCategory<Logit>,
    looks: Taken,
    words: Option<Box<WordsOutcome>>,
    words_left_out: Option<LeftOut>,
    labels: Box<[(String, Probability)]>,
}

/// A bounded memory of outcomes.
#[derive(Debug)]
pub struct ImageCache {
    outcomes: Option<Cache<ContentHash, Kept>>,
}

impl ImageCache {
    /// A cache of at most `capacity` images; 0: none are kept.
    pub fn new(capacity: u64) -> Self {
        Self { outcomes: (capacity > 0).then(|| Cache::new(capacity)) }
    }

    /// Whether anything is kept at all.
    pub fn is_on(&self) -> bool {
        self.outcomes.is_some()
    }

    /// What became of the image with this hash before; times are zero.
    pub fn get(&self, hash: ContentHash) -> Option<ImageOutcome> {
        let Kept { facts, doubt, logits, looks, words, words_left_out, labels } = self.outcomes.as_ref()?.get(&hash)?;
        Some(ImageOutcome {
            facts,
            doubt,
            cached: true,
            logits,
            looks: Taken { later: Duration::ZERO, ..looks },
            words: words.map(|words| WordsOutcome { reading: Duration::ZERO, ..*words }),
            words_left_out,
            labels: labels.into(),
            ..ImageOutcome::default()
        })
    }

    /// Remembers an outcome, unless a model failed on it: it may answer the next time.
    pub fn put(&self, hash: ContentHash, outcome: &ImageOutcome) {
        let Some(outcomes) = &self.outcomes else { return };
        // What was looked at less than the policy wants takes no fuller one's place.
        let is_whole = |looks: &Taken, words: Option<LeftOut>| looks.left_out.is_none() && words.is_none();
        let is_lesser = !is_whole(&outcome.looks, outcome.words_left_out)
            && outcomes.get(&hash).is_some_and(|kept| is_whole(&kept.looks, kept.words_left_out));
        if outcome.faults.is_empty() && !is_lesser {
            let kept = Kept {
                facts: outcome.facts.clone(),
                doubt: outcome.doubt,
                logits: outcome.logits.clone(),
                looks: outcome.looks.clone(),
                words: outcome.words.clone().map(Box::new),
                words_left_out: outcome.words_left_out,
                labels: outcome.labels.as_slice().into(),
            };
            outcomes.insert(hash, kept);
        }
    }

    /// Images kept, about: the count lags behind by a moment.
    pub fn len(&self) -> u64 {
        self.outcomes.as_ref().map_or(0, Cache::entry_count)
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn an_outcome_is_found_by_its_bytes_and_says_that_it_was_kept() {
        let cache = ImageCache::new(10);
        let facts = ImageFacts { width: 7, ..Default::default() };
        let outcome = ImageOutcome { facts, decode: Duration::from_millis(3), ..Default::default() };
        cache.put(ContentHash::of(b"a photo"), &outcome);
        let found = cache.get(ContentHash::of(b"a photo")).unwrap();
        assert!(found.cached && found.facts.width == 7 && found.decode.is_zero());
        assert!(cache.get(ContentHash::of(b"another")).is_none());
    }

    #[test]
    fn what_a_model_failed_on_is_not_kept_and_a_cache_of_size_0_keeps_nothing() {
        let failed = ImageOutcome { faults: vec![Error::model("tusk", "failed")], ..Default::default() };
        let cache = ImageCache::new(10);
        cache.put(ContentHash::of(b"a"), &failed);
        assert!(cache.get(ContentHash::of(b"a")).is_none());
        let off = ImageCache::new(0);
        off.put(ContentHash::of(b"a"), &ImageOutcome::default());
        assert!(!off.is_on() && off.get(ContentHash::of(b"a")).is_none());
    }
}
