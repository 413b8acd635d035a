//! Element types and shapes, as manifests and graphs tell them.

use serde::{Deserialize, Serialize};

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit float.
    Float32,
    /// 16-bit float.
    Float16,
    /// Byte, 0 to 255.
    Uint8,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
}

impl Dtype {
    /// Its name in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::Uint8 => "uint8",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
        }
    }

    /// Bytes of an element.
    pub fn width(self) -> usize {
        match self {
            Self::Uint8 => 1,
            Self::Float16 => 2,
            Self::Float32 | Self::Int32 => 4,
            Self::Int64 => 8,
        }
    }

    /// Whether its elements are numbers with a fraction.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Float32 | Self::Float16)
    }
}

/// Name, type and shape of an input or output; -1 is any size.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TensorSpec {
    /// Its name in the graph.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Sizes; -1 is any.
    pub shape: Vec<i64>,
}

impl TensorSpec {
    /// Values in a row: the size of the axis besides the rows' that is not 1; -1: any.
    pub fn values(&self) -> i64 {
        self.shape.iter().skip(1).copied().find(|size| *size != 1).unwrap_or(1)
    }
}

impl std::fmt::Display for TensorSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?}", self.name, self.dtype.name(), self.shape)
    }
}
