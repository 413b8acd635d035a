//! Finds and reads the words in a photo, line by line.

use std::sync::Arc;

use ndarray::{Array3, Array4, Axis};

use crate::domain::Written;
use crate::error::{Error, Result};
use crate::input_spec::{DetectionSpec, RecognitionSpec};
use crate::model::runtime::engine::Engine;
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::occlusion::GoOn;
use crate::model::runtime::tensor::Input;
use crate::preprocess::image::{DecodeLimits, ImageFault, TensorMaker, WantedSize, decode_while};
use crate::preprocess::words::{Alphabet, ReadLine, lines, page, strip, written};

/// The models that read words, and how they want to be given them.
#[derive(Debug)]
pub(super) struct WordsReader {
    detector: Arc<LoadedModel>,
    detection: DetectionSpec,
    recognizer: Arc<LoadedModel>,
    recognition: RecognitionSpec,
    alphabet: Alphabet,
}

impl WordsReader {
    /// Of the models in `engine`; `None`: one of the two is not there.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the file: the alphabet is not that of the model.
    pub(super) fn of(engine: &Engine) -> Result<Option<Self>> {
        let Some((detector, recognizer)) = engine.readers() else { return Ok(None) };
        let folder = recognizer.folder();
        let specs = detector.folder().manifest.detection.zip(folder.manifest.recognition_spec());
        let (Some((detection, recognition)), Some(told)) = (specs, &folder.manifest.recognition) else {
            return Err(Error::Bug("a reader of words without its section".into()));
        };
        let path = folder.path.join(&told.characters);
        let file = folder.file(&told.characters)?;
        let alphabet = Alphabet::parse(std::str::from_utf8(&file).map_err(|cause| Error::file(&path, cause))?);
        let columns = folder.manifest.outputs.first().and_then(|output| output.shape.last().copied()).unwrap_or(-1);
        if i64::try_from(alphabet.columns()) != Ok(columns) {
            let known = alphabet.columns();
            let problem =
                format!("makes {known} columns with the one for none and the space, and the model has {columns}");
            return Err(Error::file(&path, problem));
        }
        let (detector, recognizer) = (Arc::clone(detector), Arc::clone(recognizer));
        Ok(Some(Self { detector, detection, recognizer, recognition, alphabet }))
    }

    /// Reads at most `most` lines of a photo, the largest first. `None`: `go_on` said no, which is asked before each line.
    ///
    /// # Errors
    /// [`Error::Model`] when a model fails.
    pub(super) fn read(
        &self,
        worker: usize,
        (content, limits): (&[u8], DecodeLimits),
        most: usize,
        go_on: GoOn<'_>,
    ) -> Result<Option<Written>> {
        // Again, and larger: what looks at pictures needs less than what reads them.
        let wanted = WantedSize::at_least(self.detection.side, self.detection.side);
        let decoded = decode_while(content, limits, wanted, go_on);
        if !go_on() {
            return Ok(None);
        }
        let again = |fault: ImageFault| format!("a photo decodes once, and not again to be read: {}", fault.message);
        let decoded = decoded.map_err(|fault| Error::model(self.detector.name(), again(fault)))?;
        // Of an animation the first picture is read.
        let Some(frame) = decoded.frames.first() else { return Ok(None) };
        let page = page(&mut TensorMaker::default(), frame, self.detection)?;
        let map: Array4<f32> = run(&self.detector, worker, &page)?;
        let map = map.index_axis(Axis(0), 0);
        let mut read = Vec::new();
        for quad in lines(map.index_axis(Axis(0), 0), self.detection, most) {
            if !go_on() {
                return Ok(None);
            }
            let steps: Array3<f32> = run(&self.recognizer, worker, &strip(frame, quad, self.recognition))?;
            let (text, confidence) = self.alphabet.read(steps.index_axis(Axis(0), 0));
            if confidence >= self.recognition.confidence && !text.trim().is_empty() {
                read.push(ReadLine { text: text.trim().to_owned(), quad, confidence });
            }
        }
        Ok(Some(written(read)))
    }
}

/// The only output of a model with one input.
fn run<D: ndarray::Dimension>(
    model: &LoadedModel,
    worker: usize,
    input: &Array4<f32>,
) -> Result<ndarray::Array<f32, D>> {
    let manifest = &model.folder().manifest;
    let (Some(given), Some(wanted)) = (manifest.inputs.first(), manifest.outputs.first()) else {
        return Err(Error::model(model.name(), "has no input or no output"));
    };
    let fed = [(given.name.as_str(), Input::F32(input.view().into_dyn()))];
    let output = model.run(worker, &fed, &[wanted.name.as_str()])?.pop();
    let output: ndarray::Array<f32, D> =
        model.shaped(output.ok_or_else(|| Error::model(model.name(), "gave nothing"))?)?;
    // The caller takes the only row.
    if output.shape().first() != Some(&1) {
        return Err(Error::model(model.name(), format!("gave an output of shape {:?} for one row", output.shape())));
    }
    Ok(output)
}
