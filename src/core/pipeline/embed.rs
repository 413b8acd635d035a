//! Embeddings alone: what training needs, prepared as a request prepares it.

use ndarray::Array4;

use super::inputs::tensor;
use crate::error::{Error, Result};
use crate::model::runtime::loaded::LoadedModel;
use crate::preprocess::image::{DecodeLimits, TensorMaker, WantedSize, decode};

/// Embedding of an image's first frame, `f32 [D]`, and the input `f32 [1, 3, height, width]` it was made from, on the
/// session of `worker`.
///
/// # Errors
/// [`Error::Invalid`] when the image does not decode, [`Error::Model`] when the encoder fails.
pub fn embed(
    encoder: &LoadedModel,
    worker: usize,
    content: &[u8],
    (limits, wanted): (DecodeLimits, WantedSize),
    maker: &mut TensorMaker,
) -> Result<(Vec<f32>, Array4<f32>)> {
    let decoded = decode(content, limits, wanted).map_err(|fault| Error::invalid("image", fault.message))?;
    let spec = encoder.folder().manifest.image.as_ref();
    let spec = spec.ok_or_else(|| Error::model(encoder.name(), "takes no image"))?;
    let input = tensor(maker, decoded.frames.iter().take(1), spec)?;
    let (embedding, _) = encoder.embed(worker, input.view().into_dyn(), false)?;
    Ok((embedding.into_iter().collect(), input))
}
