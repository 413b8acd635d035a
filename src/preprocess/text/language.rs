//! The language, told from the script: enough to choose a moderator and a slice of the evaluation.

use super::normalize::is_han;
use crate::domain::Language;

/// A script counts when it has more than this share of the letters.
const SHARE: f64 = 0.2;

/// Main language of `text`.
pub fn language(text: &str) -> Language {
    let (mut han, mut latin, mut other) = (0.0_f64, 0.0_f64, 0.0_f64);
    for c in text.chars() {
        if is_han(c) {
            // One Chinese character says about as much as two Latin letters.
            han += 2.0;
        } else if c.is_ascii_alphabetic() || matches!(c, '\u{C0}'..='\u{24F}' | '\u{FF21}'..='\u{FF5A}') {
            latin += 1.0;
        } else if c.is_alphabetic() {
            other += 1.0;
        }
    }
    let all = han + latin + other;
    match (han > SHARE * all, latin > SHARE * all) {
        (true, true) => Language::Mixed,
        (true, false) => Language::Chinese,
        (false, true) if other <= latin => Language::English,
        _ => Language::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_tell_the_language() {
        assert_eq!(language("老料手串 12mm"), Language::Chinese);
        assert_eq!(language("Carved netsuke, signed"), Language::English);
        assert_eq!(language("象牙 netsuke 根付 ivory"), Language::Mixed);
        assert_eq!(language("слоновая кость"), Language::Other);
        assert_eq!(language("12345 !!"), Language::Other);
    }
}
