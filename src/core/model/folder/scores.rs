//! What a scorer's output holds.

use serde::Deserialize;

/// Which output holds scores, and what they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoresManifest {
    /// Name of the output, floats `[N, columns]`.
    #[serde(default = "logits")]
    pub output: String,
    /// What its values are.
    #[serde(default)]
    pub holds: Holds,
    /// How columns that feed one category become one logit.
    pub join: Option<ColumnJoin>,
}

impl Default for ScoresManifest {
    fn default() -> Self {
        Self { output: logits(), holds: Holds::Logits, join: None }
    }
}

fn logits() -> String {
    "logits".to_owned()
}

/// What scores are, by how their model ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// Log-odds, each column by itself: what a sigmoid would make probabilities of.
    #[default]
    Logits,
    /// What a softmax over the columns would make probabilities of.
    ClassLogits,
    /// Probabilities, each column by itself.
    Sigmoid,
    /// Probabilities of columns of which exactly one is true.
    Softmax,
}

/// How columns that feed one category become one logit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnJoin {
    /// The sum of their probabilities: of columns of which one is true.
    Sum,
    /// The highest logit.
    Max,
    /// log Σ exp of the logits.
    Logsumexp,
}
