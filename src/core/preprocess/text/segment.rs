//! Cuts a normalised text into tokens: Chinese words by dictionary, Latin words, numbers, emoji.

use std::collections::HashSet;
use std::io::BufReader;
use std::ops::Range;

use jieba_rs::Jieba;

use super::dictionary;
use super::letters::is_han;
use super::normalize::{Normalized, is_emoji, is_sentence_end};
use crate::domain::Span;
use crate::error::{Error, Result};

/// Frequency that makes a domain word win over any split of it.
const DOMAIN_WORD_FREQUENCY: usize = 100_000;

/// Cuts texts with the general dictionary and the domain's own words.
pub struct Segmenter {
    jieba: Jieba,
    words: HashSet<String>,
}

impl std::fmt::Debug for Segmenter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Segmenter")
    }
}

/// What a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Han,
    Alphabetic,
    Number,
    Emoji,
    Other,
}

/// A token, with what n-grams and windows must know of its place.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) script: Script,
    pub(super) span: Span,
    /// Index of the run of equal script it was cut from: n-grams never cross runs.
    pub(super) run: usize,
    /// One of the domain's own words.
    pub(super) is_domain_word: bool,
    /// A clause ends after it: a comma, a stop, or a space where Chinese is written.
    pub(super) ends_clause: bool,
    /// A sentence ends after it.
    pub(super) ends_sentence: bool,
}

impl Segmenter {
    /// Loads the general dictionary and adds `words`, one a line; empty lines and lines starting with `#` are skipped.
    ///
    /// # Errors
    /// [`Error::Setup`] when a line holds white space, [`Error::Bug`] when the dictionary that is built in is damaged.
    pub fn new(words: &str) -> Result<Self> {
        let mut entries = String::new();
        let mut domain = HashSet::new();
        for (number, line) in words.lines().enumerate() {
            let word = line.trim();
            if word.is_empty() || word.starts_with('#') {
                continue;
            }
            if word.contains(char::is_whitespace) {
                return Err(Error::setup(format!("domain words, line {}: {word:?} holds white space", number + 1)));
            }
            entries.push_str(&format!("{word} {DOMAIN_WORD_FREQUENCY}\n"));
            domain.insert(word.to_owned());
        }
        let mut jieba = dictionary::general()?;
        jieba
            .load_dict(&mut BufReader::new(entries.as_bytes()))
            .map_err(|cause| Error::setup(format!("domain words: {cause}")))?;
        Ok(Self { jieba, words: domain })
    }

    /// Tokens of `text`, by position. Spaces and punctuation are dropped; they end runs.
    pub(super) fn cut(&self, text: &Normalized) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        for (run, (script, range)) in runs(text.chars()).into_iter().enumerate() {
            let mut add = |range: Range<usize>| {
                let token: String = text.slice(range.clone()).iter().collect();
                let (is_domain_word, span) = (self.words.contains(&token), text.span(range));
                pieces.push(Piece {
                    text: token,
                    script,
                    span,
                    run,
                    is_domain_word,
                    ends_clause: false,
                    ends_sentence: false,
                });
            };
            match script {
                Script::Other => {
                    if let Some(last) = pieces.last_mut() {
                        let between = text.slice(range.clone());
                        last.ends_sentence |= between.iter().any(|&c| is_sentence_end(c));
                        last.ends_clause |= range.clone().any(|position| text.ends_clause(position));
                    }
                }
                Script::Han => {
                    let string: String = text.slice(range.clone()).iter().collect();
                    // Without the hidden Markov model: unknown words fall into characters, always the same way.
                    for token in self.jieba.cut(&string, false) {
                        add(range.start + token.start..range.start + token.end);
                    }
                }
                Script::Emoji => range.for_each(|position| add(position..position + 1)),
                Script::Alphabetic | Script::Number => add(range),
            }
        }
        pieces
    }
}

/// Longest run that is cut as one: bounds the work of segmentation on hostile text.
const MAX_RUN: usize = 256;

fn script(c: char) -> Script {
    if is_han(c) {
        Script::Han
    } else if c.is_numeric() {
        Script::Number
    } else if c.is_alphabetic() {
        Script::Alphabetic
    } else if is_emoji(c) {
        Script::Emoji
    } else {
        Script::Other
    }
}

/// Maximal runs of one script. Digits stick to letters (p4ngolin, 18k), and letters to digits.
fn runs(chars: &[char]) -> Vec<(Script, Range<usize>)> {
    let mut runs: Vec<(Script, Range<usize>)> = Vec::new();
    for (position, &c) in chars.iter().enumerate() {
        let next = script(c);
        match runs.last_mut() {
            Some((current, range)) if range.len() < MAX_RUN => match (*current, next) {
                (a, b) if a == b => range.end = position + 1,
                (Script::Alphabetic, Script::Number) => range.end = position + 1,
                (Script::Number, Script::Alphabetic) => {
                    *current = Script::Alphabetic;
                    range.end = position + 1;
                }
                _ => runs.push((next, position..position + 1)),
            },
            _ => runs.push((next, position..position + 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(segmenter: &Segmenter, text: &str) -> Vec<String> {
        segmenter.cut(&Normalized::new(text)).into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn domain_words_stay_whole_and_other_scripts_are_told_apart() {
        let segmenter = Segmenter::new("# slang\n果冻料\n炮山甲\n").unwrap();
        assert_eq!(cut(&segmenter, "果冻料手串"), ["果冻料", "手串"]);
        assert_eq!(cut(&segmenter, "炮山甲 50克 p4ngolin🐘"), ["炮山甲", "50", "克", "p4ngolin", "🐘"]);
    }

    #[test]
    fn a_domain_word_with_a_space_is_refused_with_its_line() {
        let error = Segmenter::new("好\n不 好\n").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
}
