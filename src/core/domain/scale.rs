//! Log-odds, probabilities, and the bands they fall into.

/// Log-odds, any finite number.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Logit(pub f64);

/// A probability in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Probability(f64);

impl Logit {
    /// The logistic function. Never overflows.
    pub fn probability(self) -> Probability {
        Probability(if self.0 >= 0.0 {
            1.0 / (1.0 + (-self.0).exp())
        } else {
            let e = self.0.exp();
            e / (1.0 + e)
        })
    }
}

impl Probability {
    /// Checks that `value` is in [0, 1].
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// In [0, 1].
    pub fn value(self) -> f64 {
        self.0
    }

    /// The log-odds; infinite at 0 and 1.
    pub fn logit(self) -> Logit {
        Logit((self.0 / (1.0 - self.0)).ln())
    }
}

/// Bands of risk, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Below every threshold.
    Minimal,
    /// Slight.
    Low,
    /// Worth a look.
    Medium,
    /// Likely.
    High,
    /// Very likely.
    Critical,
}

impl Level {
    /// Of all, lowest first.
    pub const NAMES: [&'static str; 5] =
        [Self::Minimal.name(), Self::Low.name(), Self::Medium.name(), Self::High.name(), Self::Critical.name()];

    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What the policy proposes, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suggestion {
    /// Nothing to act on.
    Pass,
    /// A moderator should look.
    Review,
    /// Hold back until a moderator has looked.
    Block,
}

impl Suggestion {
    /// Of all, mildest first.
    pub const NAMES: [&'static str; 3] = [Self::Pass.name(), Self::Review.name(), Self::Block.name()];

    /// The name used in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Review => "review",
            Self::Block => "block",
        }
    }
}
