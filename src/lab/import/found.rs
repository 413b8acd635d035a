//! What is known of a model that others made.

use wildwarden_core::input_spec::{Channels, Filter, Layout, Resize};
use wildwarden_core::model::folder::manifest::Holds;

/// How images are prepared, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageFound {
    /// Width and height that the model is fed.
    pub size: Option<(u32, u32)>,
    /// How the aspect ratio is treated.
    pub resize: Option<Resize>,
    /// The filter.
    pub filter: Option<Filter>,
    /// Order of the channels.
    pub channels: Option<Channels>,
    /// Order of the axes.
    pub layout: Option<Layout>,
    /// Mean and standard deviation per channel, in byte units.
    pub normalisation: Option<([f64; 3], [f64; 3])>,
}

/// What is known of a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Of images.
    pub image: ImageFound,
    /// Names of the columns, in order.
    pub labels: Vec<String>,
    /// What the scores are.
    pub holds: Option<Holds>,
    /// Content of a tokenizer.json.
    pub tokenizer: Option<Vec<u8>>,
    /// Tokens of a window.
    pub max_length: Option<usize>,
    /// Where each came from, for people.
    pub sources: Vec<String>,
}

impl Found {
    /// Takes over what `newer` knows.
    pub(super) fn add(&mut self, newer: Self, source: String) {
        let Self { image, labels, holds, tokenizer, max_length, .. } = newer;
        let ImageFound { size, resize, filter, channels, layout, normalisation } = image;
        let own = &mut self.image;
        own.size = size.or(own.size);
        own.resize = resize.or(own.resize);
        own.filter = filter.or(own.filter);
        own.channels = channels.or(own.channels);
        own.layout = layout.or(own.layout);
        own.normalisation = normalisation.or(own.normalisation);
        if !labels.is_empty() {
            self.labels = labels;
        }
        self.holds = holds.or(self.holds);
        self.tokenizer = tokenizer.or_else(|| self.tokenizer.take());
        self.max_length = max_length.or(self.max_length);
        self.sources.push(source);
    }
}
