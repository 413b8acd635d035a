//! Words in a photo: read, and rated as a text.

use tokio::time::Instant;

use super::generation::Generation;
use super::looks::WordsGate;
use super::outcome::WordsOutcome;
use super::texts;
use crate::domain::{LeftOut, TextField};
use crate::error::Result;
use crate::schedule::{AskBehind, Deadline};

/// Reads a photo's words and rates them, or says why that was given up: it takes half of the time that the caller has left, since the
/// photo's other answer must not be lost over it, and gives way to others who come meanwhile.
///
/// # Errors
/// [`Error::Model`](crate::error::Error::Model) when a model that reads fails.
pub(super) fn look(
    (generation, worker, behind): (&Generation, usize, AskBehind<'_>),
    content: &[u8],
    deadline: Deadline,
) -> Result<Result<WordsOutcome, LeftOut>> {
    let (Some(reader), Some(gate)) = (generation.words_reader(), generation.looks().words.as_ref()) else {
        return Ok(Err(LeftOut::Absent));
    };
    let (begun, ends) = (Instant::now(), WordsGate::ends(deadline));
    let go_on = || gate.gives_way(behind(), ends).is_none();
    let written = reader.read(worker, (content, generation.limits()), gate.lines(), &go_on);
    // One that was given up has taken at least so long.
    gate.took(begun.elapsed());
    let given_up = || gate.gives_way(behind(), ends).unwrap_or(LeftOut::Busy);
    let Some(written) = written? else { return Ok(Err(given_up())) };
    let reading = begun.elapsed();
    let mut text = None;
    if !written.text.is_empty() {
        // Whose image it is, only the listing knows.
        let texts = [(TextField::Image(0), written.text.clone(), deadline)];
        texts::score((generation, worker, behind), &texts, false, &mut |_, outcome| text = Some(outcome));
        if text.is_none() {
            return Ok(Err(LeftOut::Late));
        }
    }
    Ok(Ok(WordsOutcome { written, text, reading }))
}
