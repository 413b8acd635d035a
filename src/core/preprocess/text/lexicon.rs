//! The policy's terms, found in one pass over the normalised text.

use std::collections::HashMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use super::disguise::read_as;
use super::letters::is_accented_latin;
use super::normalize::Normalized;
use super::signs::{FoundSign, SignRule, signs_beside};
use crate::domain::{Category, FoundTerm, Notice, Signs, TermKind};

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
    /// It names something of a category when it is in disguise; openly it says nothing, as the name of a colour.
    OnlyDisguised(Category),
    /// It holds a term and means something else, as a tower of that name does; the term inside it is not found.
    Harmless,
    /// It names what is no category of ours and still worth saying.
    Notice(Notice),
    /// The text sells, wants to buy, or reports.
    Sign(SignRule),
}

impl Meaning {
    /// Of which category it says something.
    fn category(self) -> Option<Category> {
        match self {
            Self::Term(_, category) | Self::OnlyDisguised(category) => Some(category),
            Self::Harmless | Self::Notice(_) | Self::Sign(_) => None,
        }
    }

    /// As the policy calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Term(kind, _) => kind.name(),
            Self::OnlyDisguised(_) => "claim in disguise",
            Self::Harmless => "harmless",
            Self::Notice(_) => "notice",
            Self::Sign(_) => "sign",
        }
    }
}

/// What the lexicon finds in a text.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Terms, by position.
    pub terms: Vec<FoundTerm>,
    /// What else it names: the entry's spelling, each once.
    pub notices: Vec<(Notice, String)>,
    /// What the text says of a trade.
    pub signs: Signs,
}

/// A compiled lexicon.
#[derive(Debug)]
pub struct Lexicon {
    automaton: AhoCorasick,
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    entry: LexiconEntry,
    /// As a normalised text would have it.
    spelling: Vec<char>,
}

/// An entry that stands in a text.
struct Hit<'a> {
    range: Range<usize>,
    pattern: &'a Pattern,
    is_disguised: bool,
}

impl Lexicon {
    /// Compiles `entries`. Terms are normalised as texts are, so any spelling of a term will do.
    ///
    /// # Errors
    /// A term and what is wrong with it: it says nothing, too little, or two things in two spellings.
    pub fn new(entries: Vec<LexiconEntry>) -> Result<Self, (String, String)> {
        let mut patterns: Vec<Pattern> = Vec::with_capacity(entries.len());
        let mut needles: Vec<String> = Vec::with_capacity(entries.len());
        let mut known: HashMap<String, usize> = HashMap::new();
        for entry in entries {
            let spelling = Normalized::new(entry.term.trim()).chars().to_vec();
            let needle: String = spelling.iter().copied().map(read_as).collect();
            let refused = |problem: String| Err((entry.term.clone(), format!("the term {:?} {problem}", entry.term)));
            // Currencies and emoji say something; stops and stars do not.
            let letters =
                spelling.iter().filter(|c| !c.is_whitespace() && !c.is_ascii_punctuation() || **c == '$').count();
            let may_be_one = matches!(entry.meaning, Meaning::Sign(rule) if rule.begins_clause || rule.beside_number);
            match letters {
                0 => return refused("is blank: nothing of it can be seen, or no letter".into()),
                1 if !may_be_one => return refused("is one character and stands in too many words".into()),
                _ => {}
            }
            if let Some(other) = known.get(&needle).and_then(|&index| patterns.get(index)).map(|pattern| &pattern.entry)
                && contradict(other.meaning, entry.meaning)
            {
                if let (Some(a), Some(b)) = (other.meaning.category(), entry.meaning.category())
                    && a != b
                {
                    let spelling = &other.term;
                    return refused(format!("is a word of {b}, and of {a} as {spelling:?}; a word is of one category"));
                }
                let (first, second) = (other.meaning.name(), entry.meaning.name());
                return refused(format!("is listed as {second}, and as {first} in the spelling {:?}", other.term));
            }
            known.insert(needle.clone(), patterns.len());
            needles.push(needle);
            patterns.push(Pattern { entry, spelling });
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(&needles)
            .map_err(|cause| (String::new(), cause.to_string()))?;
        Ok(Self { automaton, patterns })
    }

    /// What stands in `text`, the longest entry where several overlap.
    pub(super) fn find(&self, text: &Normalized) -> Found {
        let mut hits = self.hits(text);
        // What is written exactly as a harmless word is one, though it looks like another in disguise.
        let is_no_harmless = |hit: &Hit<'_>| hit.pattern.entry.meaning != Meaning::Harmless;
        hits.sort_by_key(|hit| (hit.range.start, std::cmp::Reverse(hit.range.end), is_no_harmless(hit)));
        let mut found = Found::default();
        let mut claims: Vec<Range<usize>> = Vec::new();
        let mut signs: Vec<FoundSign> = Vec::new();
        let mut taken = 0;
        for Hit { range, pattern, is_disguised } in hits {
            let LexiconEntry { term, meaning } = &pattern.entry;
            if let Meaning::Sign(rule) = meaning {
                signs.push(FoundSign { range, rule: *rule });
                continue;
            }
            if range.start < taken {
                continue;
            }
            let (kind, category) = match *meaning {
                // What is written to hide a word is not a harmless one by chance.
                Meaning::Harmless if is_disguised => continue,
                Meaning::OnlyDisguised(_) if !is_disguised => continue,
                Meaning::OnlyDisguised(category) => (TermKind::Claim, category),
                Meaning::Term(kind, category) => (kind, category),
                Meaning::Notice(notice) => {
                    claims.push(range);
                    if !found.notices.iter().any(|(_, known)| known == term) {
                        found.notices.push((notice, term.clone()));
                    }
                    continue;
                }
                Meaning::Harmless | Meaning::Sign(_) => {
                    taken = range.end;
                    continue;
                }
            };
            taken = range.end;
            if kind == TermKind::Claim {
                claims.push(range.clone());
            }
            let (span, term) = (text.span(range), term.clone());
            found.terms.push(FoundTerm { span, term, kind, category, obfuscated: is_disguised });
        }
        found.signs = signs_beside(text, &claims, &signs);
        found
    }

    /// Every entry that stands in `text` as a word, in no order.
    fn hits(&self, text: &Normalized) -> Vec<Hit<'_>> {
        let haystack: String = text.chars().iter().copied().map(read_as).collect();
        // One character became one, so the ends of matches are counted as the table runs forward.
        let mut boundaries = haystack.char_indices().map(|(byte, _)| byte).chain([haystack.len()]).zip(0..).peekable();
        let mut hits = Vec::new();
        // Overlapping matches come by their ends.
        for matched in self.automaton.find_overlapping_iter(&haystack) {
            while boundaries.next_if(|&(byte, _)| byte < matched.end()).is_some() {}
            let (Some(&(_, end)), Some(pattern)) = (boundaries.peek(), self.patterns.get(matched.pattern().as_usize()))
            else {
                continue;
            };
            let range: Range<usize> = end - pattern.spelling.len()..end;
            let is_beside_number = matches!(pattern.entry.meaning, Meaning::Sign(rule) if rule.beside_number);
            if is_beside_number || is_whole_word(text.chars(), &range) {
                let is_disguised =
                    text.is_disguised(range.clone()) || is_respelled(text.slice(range.clone()), &pattern.spelling);
                hits.push(Hit { range, pattern, is_disguised });
            }
        }
        hits
    }
}

/// Two meanings that one term cannot have. Signs go beside anything, and a harmless word may be the disguise of another.
fn contradict(a: Meaning, b: Meaning) -> bool {
    let is_sign = |meaning| matches!(meaning, Meaning::Sign(_));
    let is_exception = matches!(
        (a, b),
        (Meaning::Harmless, Meaning::OnlyDisguised(_)) | (Meaning::OnlyDisguised(_), Meaning::Harmless)
    );
    a != b && !is_sign(a) && !is_sign(b) && !is_exception
}

/// The text has other letters than the term: some that only look like them. Accents that were left out do not count.
fn is_respelled(written: &[char], spelling: &[char]) -> bool {
    written.iter().zip(spelling).any(|(&written, &letter)| {
        written != letter && !letter.is_ascii() && written != read_as(letter) || letter.is_ascii() && written != letter
    })
}

/// Latin terms match whole words only: "horn" is not in "thorn". A plural s is allowed.
fn is_whole_word(chars: &[char], range: &Range<usize>) -> bool {
    let is_latin = |c: Option<&char>| c.is_some_and(|&c| c.is_ascii_alphanumeric() || is_accented_latin(c));
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

    fn named(name: &str) -> Category {
        Category::new(name).unwrap()
    }

    fn lexicon(terms: &[&str]) -> Lexicon {
        let entry = |term: &&str| LexiconEntry {
            term: (*term).to_owned(),
            meaning: Meaning::Term(TermKind::Claim, named("product")),
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
        let lexicon = lexicon(&["goat horn", "scale"]);
        assert_eq!(found(&lexicon, "Goat Horns, scales").len(), 2);
        assert!(found(&lexicon, "goat hornet, upscaled").is_empty());
    }

    #[test]
    fn a_harmless_word_swallows_the_term_inside_it_and_no_other() {
        let mut entries = vec![LexiconEntry { term: "象牙塔".into(), meaning: Meaning::Harmless }];
        entries.push(LexiconEntry { term: "象牙".into(), meaning: Meaning::Term(TermKind::Claim, named("product")) });
        let lexicon = Lexicon::new(entries).unwrap();
        assert!(found(&lexicon, "象牙塔里的青春").is_empty());
        assert_eq!(found(&lexicon, "象牙塔里的象牙").len(), 1);
    }

    #[test]
    fn letters_in_disguise_are_found_and_marked_and_left_out_accents_are_not() {
        let lexicon = lexicon(&["elephant idol", "ngà voi", "งาช้าง"]);
        for (text, disguised) in [
            ("elephant idol", false),
            ("elephant 1dol", true),
            ("elephant idól", true),
            ("elephant ιdοl", true),
            ("elephant ɪᴅᴏʟ", true),
            ("elephant 🅸🅳🅾🅻", true),
            ("elephant 🇮🇩🇴🇱", true),
            ("elephant \u{202E}lodi\u{202C}", true),
            ("elephant id&shy;ol", true),
            ("elephant i.d.o.l", true),
            ("elephant id*ol", true),
            ("elephant 𝒊𝒅𝒐𝒍", true),
            ("vòng ngà voi", false),
            ("vong nga voi", false),
            ("vo\u{300}ng nga\u{300} voi", false),
            ("งาช้าง แท้", false),
            ("งา\u{200B}ช้าง", true),
        ] {
            let marks: Vec<bool> = found(&lexicon, text).into_iter().map(|hit| hit.2).collect();
            assert_eq!(marks, [disguised], "{text:?}");
        }
        for text in ["elephant idol!", "(elephant idol)", "elephant idol 100%"] {
            assert!(!found(&lexicon, text)[0].2, "{text}");
        }
    }

    #[test]
    fn a_longer_word_that_is_no_whole_word_does_not_hide_the_shorter_one() {
        let lexicon = lexicon(&["raw tusk", "tusk carvin", "raw tusk carvin"]);
        assert_eq!(
            found(&lexicon, "raw tusk carving").iter().map(|hit| hit.1.as_str()).collect::<Vec<_>>(),
            ["raw tusk"]
        );
    }

    #[test]
    fn what_counts_only_in_disguise_says_nothing_openly() {
        let entry = LexiconEntry { term: "idol".into(), meaning: Meaning::OnlyDisguised(named("product")) };
        let lexicon = Lexicon::new(vec![entry]).unwrap();
        assert!(found(&lexicon, "idol wedding dress").is_empty());
        assert!(found(&lexicon, "idοl bracelet")[0].2);
    }

    #[test]
    fn a_harmless_word_that_looks_like_another_in_disguise_is_harmless() {
        let hidden = LexiconEntry { term: "golem".into(), meaning: Meaning::OnlyDisguised(named("product")) };
        let harmless = LexiconEntry { term: "golém".into(), meaning: Meaning::Harmless };
        let lexicon = Lexicon::new(vec![hidden, harmless]).unwrap();
        assert!(found(&lexicon, "un golém").is_empty());
        assert!(found(&lexicon, "g0lem")[0].2);
    }

    #[test]
    fn a_disguised_word_is_not_taken_for_a_harmless_one() {
        let mut entries = vec![LexiconEntry { term: "象牙塔".into(), meaning: Meaning::Harmless }];
        entries.push(LexiconEntry { term: "象牙".into(), meaning: Meaning::Term(TermKind::Claim, named("product")) });
        assert!(found(&Lexicon::new(entries).unwrap(), "象-牙塔 摆件")[0].2);
    }

    #[test]
    fn two_spellings_of_one_term_cannot_say_two_things() {
        let entry =
            |term: &str, kind| LexiconEntry { term: term.into(), meaning: Meaning::Term(kind, named("product")) };
        let entries = vec![entry("象牙", TermKind::Claim), entry("象.牙", TermKind::CodeWord)];
        let (term, problem) = Lexicon::new(entries).unwrap_err();
        assert!(term == "象.牙" && problem.contains("code_word") && problem.contains("claim"), "{problem}");
    }

    #[test]
    fn a_term_of_which_nothing_or_one_letter_is_seen_is_refused() {
        for term in [" \u{200B}", "\u{200B}牙", "&#29273;", "**", "...", "&shy;"] {
            let entry = LexiconEntry { term: term.into(), meaning: Meaning::Harmless };
            assert!(Lexicon::new(vec![entry]).is_err(), "{term:?}");
        }
    }
}
