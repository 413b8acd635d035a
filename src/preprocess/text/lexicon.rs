//! The policy's terms, found in one pass over the normalised text.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use super::normalize::Normalized;
use crate::domain::{Category, FoundTerm, TermKind};
use crate::error::{Error, Result};

/// A term of the lexicon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LexiconEntry {
    /// Its spelling.
    pub term: String,
    /// What it says.
    pub kind: TermKind,
    /// Of which category.
    pub category: Category,
}

/// A compiled lexicon.
#[derive(Debug)]
pub struct Lexicon {
    automaton: AhoCorasick,
    entries: Vec<LexiconEntry>,
}

impl Lexicon {
    /// Compiles `entries`. Terms are normalised as texts are, so any spelling of a term will do.
    ///
    /// # Errors
    /// [`Error::Setup`] when a term is blank or the lexicon is too large to compile.
    pub fn new(entries: Vec<LexiconEntry>) -> Result<Self> {
        let mut patterns = Vec::with_capacity(entries.len());
        for entry in &entries {
            let pattern: String = Normalized::new(&entry.term).chars().iter().collect();
            if pattern.trim().is_empty() {
                return Err(Error::Setup(format!("lexicon: the term {:?} is blank", entry.term)));
            }
            patterns.push(pattern);
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&patterns)
            .map_err(|cause| Error::Setup(format!("lexicon: {cause}")))?;
        Ok(Self { automaton, entries })
    }

    /// The terms in `text`, by position, the longest where several begin.
    pub(super) fn find(&self, text: &Normalized) -> Vec<FoundTerm> {
        let haystack: String = text.chars().iter().collect();
        // Both matches and this table run forward, so positions are found without counting from the start each time.
        let mut boundaries = haystack.char_indices().enumerate().map(|(index, (byte, _))| (byte, index)).peekable();
        let mut char_at = |byte: usize| {
            while boundaries.next_if(|&(start, _)| start < byte).is_some() {}
            boundaries.peek().map_or(text.chars().len(), |&(_, index)| index)
        };
        let mut found = Vec::new();
        for matched in self.automaton.find_iter(&haystack) {
            let range = char_at(matched.start())..char_at(matched.end());
            let Some(entry) = self.entries.get(matched.pattern().as_usize()) else { continue };
            if is_whole_word(text.chars(), &range) {
                let span = text.span(range.clone());
                // The term covers more of the original than it has letters, or other letters: it was hidden or disguised.
                let obfuscated = span.chars.len() != range.len();
                let (term, kind, category) = (entry.term.clone(), entry.kind, entry.category);
                found.push(FoundTerm { span, term, kind, category, obfuscated });
            }
        }
        found
    }
}

/// Latin terms match whole words only: "horn" is not in "thorn". A plural s is allowed.
fn is_whole_word(chars: &[char], range: &Range<usize>) -> bool {
    let is_latin = |c: Option<&char>| c.is_some_and(char::is_ascii_alphanumeric);
    let first = chars.get(range.start);
    let last = range.end.checked_sub(1).and_then(|i| chars.get(i));
    let before = range.start.checked_sub(1).and_then(|i| chars.get(i));
    let after = match chars.get(range.end) {
        Some('s') => chars.get(range.end + 1),
        other => other,
    };
    !(is_latin(first) && is_latin(before) || is_latin(last) && is_latin(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexicon(terms: &[&str]) -> Lexicon {
        let entry =
            |term: &&str| LexiconEntry { term: (*term).to_owned(), kind: TermKind::Claim, category: Category::Ivory };
        Lexicon::new(terms.iter().map(entry).collect()).unwrap()
    }

    fn found(lexicon: &Lexicon, text: &str) -> Vec<(String, String, bool)> {
        let in_text = |term: FoundTerm| (text[term.span.bytes].to_owned(), term.term, term.obfuscated);
        lexicon.find(&Normalized::new(text)).into_iter().map(in_text).collect()
    }

    #[test]
    fn hidden_terms_are_found_where_they_stand_and_marked() {
        let lexicon = lexicon(&["象牙", "犀角"]);
        let hits = found(&lexicon, "出 象.牙 手串，犀角杯");
        assert_eq!(hits, [("象.牙".into(), "象牙".into(), true), ("犀角".into(), "犀角".into(), false)]);
    }

    #[test]
    fn latin_terms_match_whole_words_and_plurals() {
        let lexicon = lexicon(&["rhino horn", "scale"]);
        assert_eq!(found(&lexicon, "Rhino Horns, scales").len(), 2);
        assert!(found(&lexicon, "rhino hornet, upscaled").is_empty());
    }

    #[test]
    fn a_blank_term_is_refused() {
        let entry = LexiconEntry { term: " \u{200B}".into(), kind: TermKind::Claim, category: Category::Ivory };
        assert!(Lexicon::new(vec![entry]).is_err());
    }
}
