//! The language, told from the script and the letters: enough to choose a moderator and a slice of the evaluation, and to say when
//! a text is in a language that nothing here reads.

use super::letters::{is_accented_latin, is_han};
use crate::domain::Language;

/// A script counts when it has more than this share of the letters.
const SHARE: f64 = 0.2;
/// Fewest kana, and their least share beside Chinese characters, that make a text Japanese: a single の is an ornament.
const KANA: (f64, f64) = (2.0, 0.1);
/// The least share of letters that only Vietnamese has: every other syllable carries one.
const VIETNAMESE: f64 = 0.08;

/// The commonest words of languages that are written as English is, and few English texts have two of. One alone is a brand.
const COMMON_WORDS: [&[&str]; 7] = [
    &[
        "und",
        "der",
        "das",
        "mit",
        "für",
        "ist",
        "nicht",
        "auf",
        "aus",
        "zu",
        "von",
        "ein",
        "eine",
        "verkaufen",
        "antik",
    ],
    &["el", "los", "las", "con", "para", "una", "del", "por", "que", "en", "venta", "de"],
    &["le", "les", "des", "du", "et", "avec", "pour", "une", "dans", "en", "ancien", "de"],
    &["il", "di", "della", "con", "per", "una", "che", "vendita", "da"],
    &["do", "da", "com", "para", "uma", "não", "dos", "venda", "de"],
    &["dan", "yang", "dengan", "untuk", "ini", "dari", "dijual", "harga", "asli", "murah", "jual", "gajah"],
    &["ya", "na", "wa", "kwa", "za", "bei", "nzuri", "zinauzwa", "inauzwa", "nauza", "pembe"],
];

/// Main language of `text`.
pub fn language(text: &str) -> Language {
    let (mut han, mut kana, mut latin, mut vietnamese, mut other) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    for c in text.chars() {
        if is_han(c) {
            han += 1.0;
        } else if is_kana(c) {
            kana += 1.0;
        } else if c.is_ascii_alphabetic() || is_accented_latin(c) || matches!(c, '\u{FF21}'..='\u{FF5A}') {
            latin += 1.0;
            vietnamese += if is_vietnamese(c) { 1.0 } else { 0.0 };
        } else if c.is_alphabetic() {
            other += 1.0;
        }
    }
    if kana >= KANA.0 && kana > KANA.1 * (han + kana) {
        return Language::Other;
    }
    // One Chinese character says about as much as two Latin letters.
    han *= 2.0;
    let all = han + latin + other;
    match (han > SHARE * all, latin > SHARE * all) {
        (true, true) => Language::Mixed,
        (true, false) => Language::Chinese,
        (false, true) if other <= latin && vietnamese <= VIETNAMESE * latin && !has_foreign_words(text) => {
            Language::English
        }
        _ => Language::Other,
    }
}

/// Whether two different common words of another language stand in `text`.
fn has_foreign_words(text: &str) -> bool {
    let lower = text.to_lowercase();
    COMMON_WORDS.iter().any(|words| {
        let mut first = None;
        lower
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| words.contains(word))
            .any(|word| *first.get_or_insert(word) != word)
    })
}

fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}' | '\u{FF66}'..='\u{FF9D}')
}

fn is_vietnamese(c: char) -> bool {
    matches!(c, '\u{1EA0}'..='\u{1EF9}' | 'ă' | 'Ă' | 'đ' | 'Đ' | 'ơ' | 'Ơ' | 'ư' | 'Ư' | 'à' | 'À' | 'ê' | 'Ê')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_tell_the_language() {
        for (text, said) in [
            ("老料手串 12mm", Language::Chinese),
            ("日系の小清新 手串", Language::Chinese),
            ("Carved netsuke, signed", Language::English),
            ("café crème, rosé", Language::English),
            ("象牙 netsuke 根付 idol", Language::Mixed),
            ("слоновая кость", Language::Other),
            ("象牙の印鑑です 送料無料", Language::Other),
            ("vòng tay ngà voi thật", Language::Other),
            ("งาช้าง แท้", Language::Other),
            ("Elfenbein Schnitzerei, antik, zu verkaufen", Language::Other),
            ("colmillo de elefante en venta", Language::Other),
            ("gading gajah asli dijual murah", Language::Other),
            ("nauza pembe za faru", Language::Other),
            ("Chanel eau de parfum for her", Language::English),
            ("12345 !!", Language::Other),
        ] {
            assert_eq!(language(text), said, "{text}");
        }
    }
}
