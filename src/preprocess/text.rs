//! Strings become windows of hashed features, with every feature traceable to the caller's original string.

pub mod features;
mod language;
mod lexicon;
mod normalize;
mod segment;

pub use features::{Token, Window};
pub use language::language;
pub use lexicon::{Found, Lexicon, LexiconEntry, Meaning};
pub use normalize::Normalized;
pub use segment::Segmenter;

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
    /// Passages, each scored on its own; the strongest counts, so padding dilutes nothing.
    pub windows: Vec<Window>,
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
    /// [`crate::error::Error::Setup`] when a line of `words` holds white space.
    pub fn new(spec: TextInputSpec, words: &str) -> Result<Self> {
        Ok(Self { segmenter: Segmenter::new(words)?, spec })
    }

    /// Normalises, cuts, hashes and looks up `text`. Cost is linear in its length.
    pub fn prepare(&self, text: &str, lexicon: &Lexicon) -> PreparedText {
        let normalized = Normalized::new(text);
        let found = lexicon.find(&normalized);
        let mut windows = self.windows(&normalized);
        // One ordinary word, however often, is no offer: the model has learnt it from offers and would read one into it.
        if found.terms.is_empty() {
            windows.retain(|window| has_two_words(&window.tokens));
        }
        PreparedText { language: language(text), windows, found }
    }

    /// The windows of `text` alone: what training needs.
    pub fn featurize(&self, text: &str) -> Vec<Window> {
        self.windows(&Normalized::new(text))
    }

    fn windows(&self, normalized: &Normalized) -> Vec<Window> {
        features::windows(&self.segmenter.cut(normalized), &self.spec)
    }
}

fn has_two_words(tokens: &[Token]) -> bool {
    tokens.first().is_some_and(|first| tokens.iter().any(|token| token.text != first.text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Category, TermKind};

    #[test]
    fn one_word_is_scored_only_when_the_lexicon_knows_it() {
        let spec = TextInputSpec { buckets: 1 << 16, window_tokens: 16 };
        let processor = TextProcessor::new(spec, "").unwrap();
        let meaning = Meaning::Term(TermKind::Claim, Category::Ivory);
        let lexicon = Lexicon::new(vec![LexiconEntry { term: "象牙".into(), meaning }]).unwrap();
        let windows = |text: &str| processor.prepare(text, &lexicon).windows.len();
        for text in ["象", "象象象象", "xy", "XY xy"] {
            assert_eq!(windows(text), 0, "{text}");
        }
        for text in ["象牙", "象牙手镯", "xy 手串"] {
            assert_eq!(windows(text), 1, "{text}");
        }
    }
}
