//! Letters that are drawn like a plain one: Unicode's confusables, small capitals, boxed letters, accents, digits for letters.

use deunicode::deunicode_char;
use unicode_security::confusable_detection::skeleton;

use super::letters::{is_accented_latin, is_han};

/// The plain lower-case letter that `c`, which is none itself, is drawn like or is a decoration of. `None`: it is a letter of its own, or none.
pub(super) fn plain_letter(c: char) -> Option<char> {
    if c.is_ascii() || !(c.is_alphabetic() || is_boxed(c)) || is_han(c) {
        return None;
    }
    let one =
        |mut text: std::str::Chars<'_>| text.next().filter(char::is_ascii_alphabetic).filter(|_| text.next().is_none());
    let drawn_like: String = skeleton(&c.to_string()).collect();
    let is_latin = is_accented_latin(c) || matches!(c, '\u{250}'..='\u{2AF}' | '\u{1D00}'..='\u{1DBF}');
    one(drawn_like.chars())
        .or_else(|| if is_latin || is_boxed(c) { deunicode_char(c).and_then(|text| one(text.chars())) } else { None })
        .map(|letter| letter.to_ascii_lowercase())
}

/// A letter in a circle or box, or half of a flag.
pub(super) fn is_boxed(c: char) -> bool {
    matches!(c, '\u{1F130}'..='\u{1F149}' | '\u{1F150}'..='\u{1F169}' | '\u{1F170}'..='\u{1F189}') || is_half_flag(c)
}

/// Regional indicator symbols: two of them are a flag.
pub(super) fn is_half_flag(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

/// A letter that NFKC makes plain and that no keyboard has: circled, boxed or mathematical.
pub(super) fn is_styled(c: char) -> bool {
    matches!(c, '\u{249C}'..='\u{24E9}' | '\u{1D400}'..='\u{1D7FF}' | '\u{1F130}'..='\u{1F149}')
}

/// A small capital or another letter of phonetics: Latin, and in no ordinary text.
pub(super) fn is_phonetic(c: char) -> bool {
    matches!(c, '\u{250}'..='\u{2AF}' | '\u{1D00}'..='\u{1DBF}' | '\u{A7F7}'..='\u{A7FF}')
}

/// The letter that a character of a normalised text is read as by somebody who looks for a term: without accents, digits and
/// signs as the letters they replace, and l, I and 1 all the same.
pub(super) fn read_as(c: char) -> char {
    match c {
        '1' | '!' | 'l' | '|' => 'i',
        '0' => 'o',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        _ => plain_letter(c).map_or(c, |letter| if letter == 'l' { 'i' } else { letter }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_look_alike_are_read_alike() {
        for (written, plain) in
            [("ιdοl", "idol"), ("ɪᴅᴏʟ", "idol"), ("🅸🅳🅾🅻", "idol"), ("idól", "idol"), ("іdоl", "idol"), ("đồng", "dong")]
        {
            let read: String = written.chars().map(|c| plain_letter(c).unwrap_or(c)).collect();
            assert_eq!(read, plain, "{written}");
        }
        assert_eq!("1c0n".chars().map(read_as).collect::<String>(), "icon");
        for c in ['象', 'ก', 'あ', '한', 'ж', '1', 'a'] {
            assert_eq!(plain_letter(c), None, "{c}");
        }
    }
}
