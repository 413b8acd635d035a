//! The general dictionary of Chinese words: jieba's (Sun Junyi, MIT), words and frequencies, as jieba-rs 0.11.0 carries it.
//! That crate would pack it again in every build, with a C library; here it lies packed.

use std::io::Read;

use flate2::read::GzDecoder;
use jieba_rs::Jieba;

use crate::error::{Error, Result};

const PACKED: &[u8] = include_bytes!("dictionary.txt.gz");

/// A segmenter that knows the general dictionary.
///
/// # Errors
/// [`Error::Bug`] when the packed dictionary is damaged.
pub(super) fn general() -> Result<Jieba> {
    let damaged = |cause: &str| Error::Bug(format!("the general dictionary: {cause}"));
    let mut text = String::new();
    GzDecoder::new(PACKED).read_to_string(&mut text).map_err(|cause| damaged(&cause.to_string()))?;
    let mut jieba = Jieba::empty();
    for line in text.lines() {
        let entry = line.split_once(' ').and_then(|(word, frequency)| Some((word, frequency.parse().ok()?)));
        let (word, frequency) = entry.ok_or_else(|| damaged(line))?;
        jieba.add_word(word, Some(frequency), None);
    }
    Ok(jieba)
}

#[cfg(test)]
mod tests {
    use ring::digest::{SHA256, digest};

    use super::*;

    #[test]
    fn the_dictionary_is_the_one_that_models_were_trained_with() {
        let mut text = Vec::new();
        GzDecoder::new(PACKED).read_to_end(&mut text).unwrap();
        let hash: String = digest(&SHA256, &text).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "d20ecdd7fe3e2c619a72c99bce1a6f4152cc88311a14810060f9242bbe1d082b");
        assert!(general().unwrap().has_word("象牙"));
    }
}
