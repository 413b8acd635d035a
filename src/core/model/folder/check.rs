//! The steps that a model folder goes through before it serves, in their order. There is one path through them, for the
//! server and for `wildwarden model check` alike; this file names the steps and tells who listens how far a folder came.

use std::path::Path;

use serde::Serialize;

/// A step. The first that fails ends the check, with one sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// `model.toml` is there and says something possible, of the folder it lies in.
    Manifest,
    /// Every file is inside the folder, within the limit, and has its hash.
    Files,
    /// The ONNX file is whole, of known versions and operators, and keeps its weights to itself.
    Graph,
    /// The models that are to serve together fit each other.
    Set,
    /// ONNX Runtime loads the graph.
    Load,
    /// Names, types and shapes of the graph are those of the manifest.
    Signature,
    /// Outputs are finite and of the promised shape, for made-up inputs in a batch.
    Outputs,
    /// What a run costs was measured.
    Cost,
    /// The golden samples come out as they should.
    Golden,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 9] = [
        Self::Manifest,
        Self::Files,
        Self::Graph,
        Self::Set,
        Self::Load,
        Self::Signature,
        Self::Outputs,
        Self::Cost,
        Self::Golden,
    ];

    /// What it makes sure of, in a few words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Manifest => "model.toml is valid",
            Self::Files => "files are whole",
            Self::Graph => "graph can be trusted",
            Self::Set => "fits the models in service",
            Self::Load => "ONNX Runtime loads it",
            Self::Signature => "graph is as declared",
            Self::Outputs => "outputs are finite",
            Self::Cost => "cost is measured",
            Self::Golden => "golden samples reproduce",
        }
    }
}

/// Hears of a folder that passed a step, and what was found there.
pub type Listener<'a> = &'a (dyn Fn(&Path, Step, String) + Sync);

/// How folders are checked.
#[derive(Clone, Copy)]
pub struct Checks<'a> {
    /// Bytes a file may have.
    pub max_file_bytes: u64,
    listener: Listener<'a>,
}

impl std::fmt::Debug for Checks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checks").field("max_file_bytes", &self.max_file_bytes).finish_non_exhaustive()
    }
}

impl Checks<'static> {
    /// Steps go to the log, as details.
    pub fn logged(max_file_bytes: u64) -> Self {
        Self {
            max_file_bytes,
            listener: &|folder, step, found| {
                tracing::debug!(folder = %folder.display(), step = step.title(), found, "model checked");
            },
        }
    }
}

impl<'a> Checks<'a> {
    /// Steps go to `listener`.
    pub fn reporting(max_file_bytes: u64, listener: Listener<'a>) -> Self {
        Self { max_file_bytes, listener }
    }

    /// `folder` passed `step`.
    pub(crate) fn passed(&self, folder: &Path, step: Step, found: impl Into<String>) {
        (self.listener)(folder, step, found.into());
    }
}
