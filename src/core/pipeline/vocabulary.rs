//! Whether a text model knows all that its tokenizer may give it.

use crate::error::{Error, Result};
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::tokens::{TokenRow, score_tokens};
use crate::preprocess::text::TokenReader;

/// Runs the longest window of the highest id, and ones of what fills up and stands in: a model with fewer ids or positions than its
/// tokenizer gives would fail on texts, not on made-up numbers.
///
/// # Errors
/// [`Error::Model`] saying so.
pub(super) fn probe(model: &LoadedModel, reader: &TokenReader) -> Result<()> {
    let (length, highest) = (reader.max_length(), reader.highest_id());
    let rows: Vec<Vec<u32>> = [highest, reader.pad(), reader.mask()].iter().map(|&id| vec![id; length]).collect();
    let types = vec![0; length];
    let rows: Vec<TokenRow<'_>> = rows.iter().map(|ids| TokenRow { ids, types: &types }).collect();
    let scored = score_tokens(model, 0, &rows, reader.pad(), &|| true);
    let told = |cause| {
        let problem = format!(
            "fails on a window of {length} tokens with ids up to {highest}, which its tokenizer gives: {cause}"
        );
        Error::model(model.name(), problem)
    };
    scored.map(|_logits| ()).map_err(told)
}
