//! The least that answering costs: decoding and the sessions of the first look, with nothing around them. What a server is measured against.

use std::time::Duration;

use tokio::time::Instant;

use super::generation::Generation;
use super::inputs::Inputs;
use crate::error::{Error, Result};
use crate::preprocess::image::{WantedSize, decode};

/// Decodes and scores images one after the other on one worker's sessions.
#[derive(Debug)]
pub struct Bare<'a> {
    generation: &'a Generation,
    worker: usize,
    wanted: WantedSize,
    inputs: Inputs,
}

/// Where the time of one image went.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// Decoding, resizing, normalising.
    pub preparing: Duration,
    /// The models of the first look.
    pub inference: Duration,
}

impl<'a> Bare<'a> {
    /// On the sessions of `worker`. `in_full`: JPEGs are decoded with every pixel, whatever the models need.
    pub fn new(generation: &'a Generation, worker: usize, in_full: bool) -> Self {
        let wanted = if in_full { WantedSize::FULL } else { generation.decode_size() };
        Self { generation, worker, wanted, inputs: Inputs::default() }
    }

    /// One image.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it does not decode, [`Error::Model`] when a model fails.
    pub fn image(&mut self, content: &[u8]) -> Result<Spent> {
        let start = Instant::now();
        let decoded = decode(content, self.generation.limits(), self.wanted)
            .map_err(|fault| Error::invalid("image", fault.message))?;
        let engine = self.generation.engine();
        let first = |place: usize| self.generation.looks().of_input(place) == 0;
        let tensors = self.inputs.fill(decoded.frames.iter(), engine.image_specs(), first)?;
        let preparing = start.elapsed();
        let start = Instant::now();
        let frames = 0..decoded.frames.len();
        let scores = engine.score_images(self.worker, &tensors, std::slice::from_ref(&frames), None);
        let inference = start.elapsed();
        scores.into_iter().flat_map(|scores| scores.faults).next().map_or(Ok(Spent { preparing, inference }), Err)
    }
}
