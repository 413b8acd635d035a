//! From the text of a `model.toml` to a manifest that says something possible.

use std::path::{Component, Path};

use crate::error::{Error, Result};
use crate::input_spec::{RecognitionSpec, Resize, TEXT_FEATURE_VERSION};
use crate::model::folder::columns;
use crate::model::folder::contract;
use crate::model::folder::manifest::{Calibration, Kind, MANIFEST, Manifest, Role};
use crate::model::folder::reading;

impl Manifest {
    /// Parses and checks the text of a manifest that lies in `folder`.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the file, the key and what is allowed.
    pub fn parse(folder: &Path, text: &str) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let mut manifest: Self =
            toml::from_str(text).map_err(|cause| Error::file(&path, in_a_sentence(&cause, text)))?;
        manifest.check().map_err(|problem| Error::file(&path, problem))?;
        manifest.labels = columns::joined(&manifest).map_err(|problem| Error::file(&path, problem))?;
        Ok(manifest)
    }

    /// Checks name and version, which are the names of folders.
    ///
    /// # Errors
    /// Which, its value and what is allowed.
    pub fn check_place_names(name: &str, version: &str) -> std::result::Result<(), String> {
        for (what, name) in [("name", name), ("version", version)] {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            if !(1..=64).contains(&name.len()) || name.starts_with('.') || !name.chars().all(allowed) {
                return Err(format!("{what}: {name:?} must be 1 to 64 of a-z, A-Z, 0-9, _, - and ., no . first"));
            }
        }
        Ok(())
    }

    fn check(&self) -> std::result::Result<(), String> {
        if self.encoder.is_some() && self.kind != Kind::Head {
            return Err(format!("encoder: is for heads, and this is {:?}", self.kind));
        }
        for (key, given, kind) in [
            ("l2_normalize", self.l2_normalize, Kind::Head),
            ("embedding", self.embedding.is_some(), Kind::ImageEncoder),
            ("feature_map", self.feature_map.is_some(), Kind::ImageEncoder),
        ] {
            if given && self.kind != kind {
                return Err(format!("{key}: is for a {}, and this is a {}", kind.name(), self.kind.name()));
            }
        }
        let scores = matches!(self.kind.role(), Role::Scorer(_));
        if self.scores.is_some() && (!scores || self.text.is_some()) {
            let with = if self.text.is_some() { " with [text]" } else { "" };
            let kind = self.kind.name();
            return Err(format!("scores: is for scorers that give no contributions, and this is a {kind}{with}"));
        }
        let needs_image = matches!(self.kind, Kind::ImageEncoder | Kind::ImageClassifier);
        if needs_image != self.image.is_some() {
            return Err(format!(
                "[image] is for image_encoder and image_classifier, and this is a {}",
                self.kind.name()
            ));
        }
        match (self.kind == Kind::TextClassifier, &self.text, &self.tokens) {
            (true, Some(_), None) | (true, None, Some(_)) | (false, None, None) => {}
            (true, ..) => {
                return Err("a text_classifier has either [text], hashed features, or [tokens], a tokenizer".into());
            }
            (false, ..) => {
                return Err(format!("[text] and [tokens] are for text_classifier, and this is a {}", self.kind.name()));
            }
        }
        self.check_reading()?;
        contract::check_names(self)?;
        if scores == self.labels.is_empty() {
            return Err("labels: a model that gives scores has at least one, others have none".into());
        }
        if self.kind == Kind::TextClassifier && self.labels.iter().all(|label| label.category.is_none()) {
            return Err("labels: none has a category, so the model would rate no text; give one a category".into());
        }
        self.check_files()?;
        Self::check_place_names(&self.name, &self.version)?;
        self.check_preparation()?;
        for label in &self.labels {
            let Calibration { slope, intercept } = label.calibration;
            if !(slope.is_finite() && slope > 0.0 && intercept.is_finite()) {
                return Err(format!("labels.{}.calibration: slope must be above 0, both finite", label.name));
            }
        }
        if let Some(golden) = &self.golden
            && !(golden.tolerance.is_finite() && golden.tolerance >= 0.0)
        {
            return Err(format!("golden.tolerance: {} must be 0 or more", golden.tolerance));
        }
        contract::check(self)
    }

    /// How lines are given to a text recognizer.
    pub fn recognition_spec(&self) -> Option<RecognitionSpec> {
        let recognition = self.recognition.as_ref()?;
        let height = self.inputs.first().and_then(|input| u32::try_from(*input.shape.get(2)?).ok())?;
        let &reading::RecognitionManifest { least_width, most_width, confidence, .. } = recognition;
        Some(RecognitionSpec { height, least_width, most_width, confidence })
    }

    /// Height and width of a made-up input, where the graph of a reader of words leaves them free.
    pub fn reading_sides(&self) -> Option<[usize; 2]> {
        let page = self.detection.map(|detection| [detection.side; 2]);
        let strip = || self.recognition_spec().map(|spec| [spec.height, spec.least_width]);
        page.or_else(strip).map(|sides| sides.map(|side| side as usize))
    }

    /// What finds and reads words says how, and nothing else does.
    fn check_reading(&self) -> std::result::Result<(), String> {
        let kind = self.kind;
        for (key, given, of) in [
            ("detection", self.detection.is_some(), Kind::TextDetector),
            ("recognition", self.recognition.is_some(), Kind::TextRecognizer),
        ] {
            if given != (kind == of) {
                return Err(format!("[{key}] is for a {}, which needs it, and this is a {}", of.name(), kind.name()));
            }
        }
        if self.golden.is_some() && matches!(kind.role(), Role::Reader(_)) {
            return Err(format!("golden: a {} has no golden samples", kind.name()));
        }
        self.detection.map_or(Ok(()), reading::check_detection)?;
        self.recognition.as_ref().map_or(Ok(()), reading::RecognitionManifest::check)
    }

    /// Every file is of this folder and has a hash.
    fn check_files(&self) -> std::result::Result<(), String> {
        for name in self.files.keys().chain([&self.file]) {
            let mut parts = Path::new(name).components();
            if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
                return Err(format!("files: {name:?} is not the plain name of a file in this folder"));
            }
        }
        let golden = self.golden.iter().map(|golden| &golden.file);
        let words = self.text.iter().map(|text| &text.words);
        let tokenizer = self.tokens.iter().map(|tokens| &tokens.tokenizer);
        let characters = self.recognition.iter().map(|recognition| &recognition.characters);
        for name in golden.chain(words).chain(tokenizer).chain(characters).chain(&self.label_file).chain([&self.file]) {
            if !self.files.contains_key(name) {
                return Err(format!("files: {name:?} is used but has no sha256"));
            }
        }
        Ok(())
    }

    /// Images and texts are prepared in a way that this program can.
    fn check_preparation(&self) -> std::result::Result<(), String> {
        if let Some(image) = &self.image {
            let sides = [image.width, image.height];
            if sides.iter().any(|side| !(16..=2048).contains(side)) {
                return Err(format!("image: {}x{} is outside 16 to 2048 a side", image.width, image.height));
            }
            let (width, height) = image.resized();
            if width < image.width || height < image.height || [width, height].iter().any(|side| *side > 4096) {
                let (own, resize) = (format!("{}x{}", image.width, image.height), image.resize);
                return Err(format!("image.resize: {resize:?} must be at least {own}, at most 4096 a side"));
            }
            if let Resize::ShorterSide(side) = image.resize
                && side < image.width.max(image.height)
            {
                let (width, height) = (image.width, image.height);
                return Err(format!(
                    "image.resize: shorter_side {side} is less than the {width}x{height} to be cut out"
                ));
            }
            if image.mean.iter().any(|mean| !mean.is_finite()) {
                return Err(format!("image.mean: {:?} must be finite", image.mean));
            }
            if image.std.iter().any(|std| !(std.is_finite() && *std > 0.0)) {
                return Err(format!("image.std: {:?} must be above 0", image.std));
            }
        }
        if let Some(tokens) = &self.tokens {
            let (length, overlap, windows) = (tokens.max_length, tokens.overlap, tokens.windows);
            // More overlap would make as many windows as there are tokens.
            if !(4..=2048).contains(&length) || overlap > length / 2 || !(1..=256).contains(&windows) {
                return Err(format!(
                    "tokens: max_length {length} must be in 4 to 2048, overlap {overlap} at most half of it, windows {windows} in 1 to 256"
                ));
            }
        }
        if let Some(text) = &self.text {
            if text.feature_version != TEXT_FEATURE_VERSION {
                let found = text.feature_version;
                return Err(format!("text.feature_version: {found}, this program makes {TEXT_FEATURE_VERSION}"));
            }
            if !(1..=1 << 24).contains(&text.buckets) || !(8..=512).contains(&text.window_tokens) {
                return Err("text: buckets must be in 1 to 2^24 and window_tokens in 8 to 512".into());
            }
        }
        Ok(())
    }
}

/// A TOML error without the drawing of the line, which does not fit into one.
pub(in crate::model) fn in_a_sentence(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    format!("line {line}: {}", error.message().replace('\n', " "))
}
