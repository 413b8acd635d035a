//! The policy's terms, found in one pass over the normalised text.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use super::normalize::Normalized;
use crate::domain::{Category, FoundTerm, Sign, Signs, TermKind};
use crate::error::{Error, Result};

/// A term of the lexicon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LexiconEntry {
    /// Its spelling.
    pub term: String,
    /// What it says.
    pub meaning: Meaning,
}

/// What an entry of the lexicon says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It names something of a category.
    Term(TermKind, Category),
    /// It holds a term and means something else, as an ivory tower does; the term inside it is not found.
    Harmless,
    /// The text sells, or wants to buy. Counts in texts of at most so many characters.
    Sign(Sign, usize),
}

/// What the lexicon finds in a text.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Terms, by position.
    pub terms: Vec<FoundTerm>,
    /// What else the text says.
    pub signs: Signs,
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

    /// What stands in `text`, the longest entry where several begin.
    pub(super) fn find(&self, text: &Normalized) -> Found {
        let haystack: String = text.chars().iter().collect();
        // Both matches and this table run forward, so positions are found without counting from the start each time.
        let mut boundaries = haystack.char_indices().enumerate().map(|(index, (byte, _))| (byte, index)).peekable();
        let mut char_at = |byte: usize| {
            while boundaries.next_if(|&(start, _)| start < byte).is_some() {}
            boundaries.peek().map_or(text.chars().len(), |&(_, index)| index)
        };
        let mut found = Found::default();
        for matched in self.automaton.find_iter(&haystack) {
            let range = char_at(matched.start())..char_at(matched.end());
            let Some(entry) = self.entries.get(matched.pattern().as_usize()) else { continue };
            if !is_whole_word(text.chars(), &range) {
                continue;
            }
            match entry.meaning {
                Meaning::Harmless => {}
                Meaning::Sign(_, most) if text.chars().len() > most => {}
                Meaning::Sign(Sign::Sale, _) => found.signs.sale = true,
                Meaning::Sign(Sign::Wanted, _) => found.signs.wanted = true,
                Meaning::Term(kind, category) => {
                    let span = text.span(range.clone());
                    // The term covers more of the original than it has letters, or other letters: it was hidden or disguised.
                    let obfuscated = span.chars.len() != range.len();
                    found.terms.push(FoundTerm { span, term: entry.term.clone(), kind, category, obfuscated });
                }
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
        let entry = |term: &&str| LexiconEntry {
            term: (*term).to_owned(),
            meaning: Meaning::Term(TermKind::Claim, Category::Ivory),
        };
        Lexicon::new(terms.iter().map(entry).collect()).unwrap()
    }

    fn found(lexicon: &Lexicon, text: &str) -> Vec<(String, String, bool)> {
        let in_text = |term: FoundTerm| (text[term.span.bytes].to_owned(), term.term, term.obfuscated);
        lexicon.find(&Normalized::new(text)).terms.into_iter().map(in_text).collect()
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
    fn a_harmless_word_swallows_the_term_inside_it_and_no_other() {
        let mut entries = vec![LexiconEntry { term: "象牙塔".into(), meaning: Meaning::Harmless }];
        entries.push(LexiconEntry { term: "象牙".into(), meaning: Meaning::Term(TermKind::Claim, Category::Ivory) });
        let lexicon = Lexicon::new(entries).unwrap();
        assert!(found(&lexicon, "象牙塔里的青春").is_empty());
        assert_eq!(found(&lexicon, "象牙塔里的象牙").len(), 1);
    }

    #[test]
    fn a_sign_counts_in_texts_short_enough_for_it() {
        let sign = LexiconEntry { term: "收购".into(), meaning: Meaning::Sign(Sign::Wanted, 8) };
        let lexicon = Lexicon::new(vec![sign]).unwrap();
        let signs = |text: &str| lexicon.find(&Normalized::new(text)).signs;
        assert!(signs("收購象牙製品").wanted && !signs("收購象牙製品").sale);
        assert!(!signs("被告人多次收购象牙制品并出售给他人").wanted);
    }

    #[test]
    fn a_blank_term_is_refused() {
        let entry = LexiconEntry { term: " \u{200B}".into(), meaning: Meaning::Harmless };
        assert!(Lexicon::new(vec![entry]).is_err());
    }
}
