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
mod tokens;
mod units;

pub use features::{Feature, Token};
pub use language::language;
pub use lexicon::{Found, Lexicon, LexiconEntry, Meaning};
pub use normalize::Normalized;
pub use passages::{PRESENT, Passages};
pub use segment::Segmenter;
pub use signs::SignRule;
pub use tokens::{TokenReader, TokenWindow, Word};

use crate::error::Result;
use crate::input_spec::TextInputSpec;

/// How a scorer of texts wants them.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one a model, and it is shared")]
pub enum TextReader {
    /// As hashed features of passages.
    Features(TextProcessor),
    /// As tokens of a tokenizer.
    Tokens(TokenReader),
}

/// A text as a scorer wants it.
#[derive(Debug)]
pub enum Read {
    /// Passages of hashed features.
    Passages(Passages),
    /// Windows of tokens.
    Windows(Vec<TokenWindow>),
}

impl TextReader {
    /// Reads `text`, which is `normalized` in one spelling. Cost is linear in its length.
    ///
    /// # Errors
    /// What the tokenizer says, when it fails on the text.
    pub fn read(&self, text: &str, normalized: &Normalized) -> std::result::Result<Read, String> {
        match self {
            Self::Features(processor) => Ok(Read::Passages(processor.passages(normalized))),
            Self::Tokens(reader) => reader.windows(text).map(Read::Windows),
        }
    }
}

impl Read {
    /// Whether there is nothing to score.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Passages(passages) => passages.windows.is_empty(),
            Self::Windows(windows) => windows.is_empty(),
        }
    }
}

/// Turns texts into hashed features.
#[derive(Debug)]
pub struct TextProcessor {
    segmenter: Segmenter,
    spec: TextInputSpec,
}

/// What the lexicon finds in a text: what can be read without a model.
pub fn look_up(text: &Normalized, lexicon: &Lexicon) -> Found {
    lexicon.find(text)
}

impl TextProcessor {
    /// A processor for the recipe `spec`, with `words` (one a line) kept whole by segmentation.
    ///
    /// # Errors
    /// [`crate::error::Error::Setup`] when a line of `words` holds white space, [`crate::error::Error::Bug`] when the dictionary
    /// that is built in is damaged.
    pub fn new(spec: TextInputSpec, words: &str) -> Result<Self> {
        Ok(Self { segmenter: Segmenter::new(words)?, spec })
    }

    /// The passages of `text` alone: what training needs.
    pub fn featurize(&self, text: &str) -> Passages {
        self.passages(&Normalized::new(text))
    }

    fn passages(&self, normalized: &Normalized) -> Passages {
        Passages::new(&self.segmenter.cut(normalized), &self.spec)
    }
}
