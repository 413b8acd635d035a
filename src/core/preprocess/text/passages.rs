//! The passages of a text that are scored, each on its own. The strongest counts, so what a seller adds around an offer does not
//! hide it: every passage of the offer alone is still a passage of the longer text.

use std::ops::Range;

use super::features::{Feature, Features, Token};
use super::segment::{Piece, Script};
use crate::input_spec::TextInputSpec;

/// A text as features, and its passages.
#[derive(Debug, Default)]
pub struct Passages {
    /// The text's tokens.
    pub tokens: Vec<Token>,
    /// Ranges of tokens, each a passage to score.
    pub windows: Vec<Range<usize>>,
    features: Features,
}

impl Passages {
    /// Hashes `pieces` and chooses passages of at most `spec.window_tokens` tokens. A text without tokens has none.
    pub(super) fn new(pieces: &[Piece], spec: &TextInputSpec) -> Self {
        Self {
            windows: windows(pieces, spec.window_tokens),
            features: Features::new(pieces, spec.buckets),
            tokens: pieces.iter().map(|piece| Token { text: piece.text.clone(), span: piece.span.clone() }).collect(),
        }
    }

    /// The features of a passage.
    pub fn features(&self, window: &Range<usize>) -> impl Iterator<Item = &Feature> + Clone {
        self.features.inside(window)
    }

    /// Where the features of a passage stand among those of all tokens, in the order of [`Self::features`].
    pub fn places(&self, window: &Range<usize>) -> impl Iterator<Item = usize> {
        self.features.places(window)
    }

    /// The tokens of a passage.
    pub fn tokens(&self, window: &Range<usize>) -> &[Token] {
        self.tokens.get(window.clone()).unwrap_or_default()
    }
}

/// The value of a feature that is there. The same in every passage, so that words which tell nothing take nothing away from
/// those that do; its size only sets the scale of the weights.
pub const PRESENT: f32 = 0.1875;

/// In a text of more clauses than the first, at most the second number of them is joined: bounds the work on hostile text.
const MANY_CLAUSES: (usize, usize) = (256, 4);

/// Lengths of the parts of a Latin clause that are looked at, too: nothing but spaces may separate an offer from what stands
/// beside it there. Shorter ones would take a name out of the sentence that reports on it.
const LATIN_PARTS: std::ops::RangeInclusive<usize> = 6..=8;

/// Every clause, every join of neighbouring clauses that holds at most `most` tokens, and parts of clauses that are longer or of
/// Latin words. By start of the clause, then by length.
fn windows(pieces: &[Piece], most: usize) -> Vec<Range<usize>> {
    let ends_clause = |end: &usize| pieces.get(end - 1).is_some_and(|piece| piece.ends_clause);
    let mut ends: Vec<usize> = (1..=pieces.len()).filter(ends_clause).collect();
    if ends.last() != Some(&pieces.len()) {
        ends.push(pieces.len());
    }
    let joined = if ends.len() > MANY_CLAUSES.0 { MANY_CLAUSES.1 } else { usize::MAX };
    let mut windows = Vec::new();
    let mut start = 0;
    for (clause, &end) in ends.iter().enumerate() {
        let length = end - start;
        if length == 0 {
            continue;
        }
        let joins = ends.get(clause..).unwrap_or_default().iter().take(joined).take_while(|&&end| end - start <= most);
        windows.extend(joins.map(|&end| start..end));
        let is_latin =
            pieces.get(start..end).is_some_and(|clause| clause.iter().all(|piece| piece.script != Script::Han));
        if length > most {
            windows.extend(parts(start..end, most, most / 2));
            if is_latin {
                windows.extend(parts(start..end, *LATIN_PARTS.end(), LATIN_PARTS.end() / 2));
            }
        } else if is_latin {
            windows.extend(LATIN_PARTS.take_while(|&part| part < length).flat_map(|part| parts(start..end, part, 1)));
        }
        start = end;
    }
    windows.retain(|window| tells_something(pieces.get(window.clone()).unwrap_or_default()));
    windows
}

/// Parts of `length` tokens, `step` from one to the next; the last one ends where `clause` does.
fn parts(clause: Range<usize>, length: usize, step: usize) -> impl Iterator<Item = Range<usize>> {
    let last = clause.end.saturating_sub(length).max(clause.start);
    (clause.start..last).step_by(step.max(1)).chain([last]).map(move |start| start..start + length)
}

/// One ordinary word, however often, is no offer: the model has learnt it from offers and would read one into it.
fn tells_something(window: &[Piece]) -> bool {
    let first = window.first().map(|piece| &piece.text);
    window.iter().any(|piece| piece.is_domain_word || Some(&piece.text) != first)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::super::{Normalized, Segmenter};
    use super::*;

    const SPEC: TextInputSpec = TextInputSpec { buckets: 1 << 16, window_tokens: 16 };

    fn of(text: &str) -> Passages {
        static SEGMENTER: LazyLock<Segmenter> = LazyLock::new(|| Segmenter::new("象牙\n").unwrap());
        Passages::new(&SEGMENTER.cut(&Normalized::new(text)), &SPEC)
    }

    fn ids(passages: &Passages, window: &Range<usize>) -> Vec<u32> {
        passages.features(window).map(|feature| feature.id).collect()
    }

    fn texts(passages: &Passages) -> Vec<String> {
        let joined = |window| passages.tokens(window).iter().map(|token| token.text.as_str()).collect();
        passages.windows.iter().map(joined).collect()
    }

    #[test]
    fn the_same_words_in_another_spelling_have_the_same_features() {
        for (a, b) in [("穿山甲鳞片", "穿.山.甲鱗片"), ("IDOL tusk", "ｉｄｏｌ tusk")] {
            let (a, b) = (of(a), of(b));
            assert_eq!(ids(&a, &a.windows[0]), ids(&b, &b.windows[0]));
        }
    }

    #[test]
    fn clauses_and_their_joins_are_passages() {
        assert_eq!(
            texts(&of("象牙手串 全国包邮，现货")),
            ["象牙手串", "象牙手串全国包邮", "象牙手串全国包邮现货", "全国包邮", "全国包邮现货",]
        );
        assert_eq!(texts(&of("old idol, free post")), ["oldidol", "oldidolfreepost", "freepost"]);
        assert_eq!(texts(&of("aa bb cc dd ee ff gg")).len(), 3, "the whole and both ends of six");
    }

    #[test]
    fn one_word_is_a_passage_only_when_it_is_of_the_domain() {
        for text in ["象", "象象象象", "xy", "XY xy", "  ， . "] {
            assert!(of(text).windows.is_empty(), "{text}");
        }
        assert_eq!(texts(&of("象牙")), ["象牙"]);
    }

    #[test]
    fn a_long_text_is_covered_without_gaps_and_its_work_is_bounded() {
        for text in ["老料手串包浆好。".repeat(400), "ab cd ".repeat(4000), "a,b,".repeat(4000)] {
            let passages = of(&text);
            let mut covered = 0;
            for window in &passages.windows {
                assert!(window.start <= covered, "a gap before {window:?}");
                covered = covered.max(window.end);
            }
            assert_eq!(covered, passages.tokens.len());
            let features: usize = passages.windows.iter().map(|window| passages.features(window).count()).sum();
            assert!(features < 64 * passages.tokens.len(), "{features} for {} tokens", passages.tokens.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn features_stay_in_their_buckets_and_inside_their_window(text in "[象牙犀角料手串a-z0-9 。!,🐘]{0,120}") {
            let passages = of(&text);
            for window in &passages.windows {
                prop_assert!(window.len() <= SPEC.window_tokens && window.end <= passages.tokens.len());
                for feature in passages.features(window) {
                    prop_assert!(feature.id < SPEC.buckets);
                    prop_assert!(window.start <= feature.covers.start && feature.covers.end <= window.end);
                }
            }
        }

        #[test]
        fn what_is_added_behind_a_comma_takes_no_passage_away(
            offer in "[象牙犀角料手串]{1,12}( [象牙犀角料手串]{2,6}){0,3}", more in "[全国包邮退货]{2,8}( [a-z]{2,6}){0,6}", before: bool,
        ) {
            let alone = of(&offer);
            let longer = of(&if before { format!("{more}，{offer}") } else { format!("{offer}，{more}") });
            let longer: std::collections::HashSet<Vec<u32>> = longer.windows.iter().map(|w| ids(&longer, w)).collect();
            for window in &alone.windows {
                prop_assert!(longer.contains(&ids(&alone, window)));
            }
        }
    }
}
