//! Words in a photo: read, and rated as a text.

use tokio::time::Instant;

use super::generation::Generation;
use super::outcome::WordsOutcome;
use super::texts;
use crate::domain::TextField;
use crate::error::Result;
use crate::schedule::{Deadline, Load};

/// Reads a photo's words and rates them. `None`: the deadline passed, or nothing here reads.
///
/// # Errors
/// [`Error::Model`] when a model that reads fails.
pub(super) fn look(
    (generation, worker, load): (&Generation, usize, Load),
    content: &[u8],
    most: usize,
    deadline: Deadline,
) -> Result<Option<WordsOutcome>> {
    let Some(reader) = generation.words_reader() else { return Ok(None) };
    let begun = Instant::now();
    let Some(written) = reader.read(worker, (content, generation.limits()), most, deadline)? else { return Ok(None) };
    let reading = begun.elapsed();
    let mut text = None;
    if !written.text.is_empty() {
        // Whose image it is, only the listing knows.
        let texts = [(TextField::Image(0), written.text.clone(), deadline)];
        texts::score((generation, worker, load), &texts, false, &mut |_, outcome| text = Some(outcome));
        if text.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(WordsOutcome { written, text, reading }))
}
