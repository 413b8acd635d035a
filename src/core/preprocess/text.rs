//! Strings become passages of hashed features, with every feature traceable to the caller's original string.

mod dictionary;
mod disguise;
mod features;
mod language;
mod letters;
mod lexicon;
mod normalize;
mod passages;
mod segment;
mod signs;
mod units;

pub use features::{Feature, Token};
pub use language::language;
pub use lexicon::{Found, Lexicon, LexiconEntry, Meaning};
pub use normalize::Normalized;
pub use passages::{PRESENT, Passages};
pub use segment::Segmenter;
pub use signs::SignRule;

use crate::domain::Language;
use crate::error::Result;
use crate::input_spec::TextInputSpec;

/// Turns one text into what the models and the lexicon need.
#[derive(Debug)]
pub struct TextProcessor {
    segmenter: Segmenter,
    spec: TextInputSpec,
}

/// A text ready to be scored.
#[derive(Debug)]
pub struct PreparedText {
    /// Main language.
    pub language: Language,
    /// Each scored on its own; the strongest counts, so padding dilutes nothing.
    pub passages: Passages,
    /// What the lexicon finds.
    pub found: Found,
}

/// What the lexicon finds in `text`: what can be read without a model, and so without a recipe of its features.
pub fn look_up(text: &str, lexicon: &Lexicon) -> Found {
    lexicon.find(&Normalized::new(text))
}

impl TextProcessor {
    /// A processor for the recipe `spec`, with `words` (one a line) kept whole by segmentation.
    ///
    /// # Errors
    /// [`crate::error::Error::Setup`] when a line of `words` holds white space, [`crate::error::Error::Bug`] when the dictionary that
    /// is built in is damaged.
    pub fn new(spec: TextInputSpec, words: &str) -> Result<Self> {
        Ok(Self { segmenter: Segmenter::new(words)?, spec })
    }

    /// Normalises, cuts, hashes and looks up `text`. Cost is linear in its length.
    pub fn prepare(&self, text: &str, lexicon: &Lexicon) -> PreparedText {
        let normalized = Normalized::new(text);
        PreparedText {
            language: language(text),
            found: lexicon.find(&normalized),
            passages: self.passages(&normalized),
        }
    }

    /// The passages of `text` alone: what training needs.
    pub fn featurize(&self, text: &str) -> Passages {
        self.passages(&Normalized::new(text))
    }

    fn passages(&self, normalized: &Normalized) -> Passages {
        Passages::new(&self.segmenter.cut(normalized), &self.spec)
    }
}
