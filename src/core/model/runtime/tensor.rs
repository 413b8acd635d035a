//! Tensors on their way into a session and out of it.

use std::ops::Range;

use half::f16;
use ndarray::{ArrayD, ArrayViewD, Axis, concatenate};

use crate::model::folder::tensor::Dtype;

/// A tensor to feed, in standard layout.
#[derive(Debug)]
pub enum Input<'a> {
    /// 32-bit floats.
    F32(ArrayViewD<'a, f32>),
    /// 16-bit floats.
    F16(ArrayViewD<'a, f16>),
    /// Bytes.
    U8(ArrayViewD<'a, u8>),
    /// 32-bit integers.
    I32(ArrayViewD<'a, i32>),
    /// 64-bit integers.
    I64(ArrayViewD<'a, i64>),
}

/// A tensor that owns its elements, in standard layout.
#[derive(Debug, Clone, PartialEq)]
pub enum Tensor {
    /// 32-bit floats.
    F32(ArrayD<f32>),
    /// 16-bit floats.
    F16(ArrayD<f16>),
    /// Bytes.
    U8(ArrayD<u8>),
    /// 32-bit integers.
    I32(ArrayD<i32>),
    /// 64-bit integers.
    I64(ArrayD<i64>),
}

/// The same for each element type.
macro_rules! each {
    ($from:ident, $value:expr, $array:ident => $body:expr) => {
        match $value {
            $from::F32($array) => $body,
            $from::F16($array) => $body,
            $from::U8($array) => $body,
            $from::I32($array) => $body,
            $from::I64($array) => $body,
        }
    };
}
pub(super) use each;

/// The same for each element type, which stays.
macro_rules! each_to {
    ($from:ident, $to:ident, $value:expr, $array:ident => $body:expr) => {
        match $value {
            $from::F32($array) => $to::F32($body),
            $from::F16($array) => $to::F16($body),
            $from::U8($array) => $to::U8($body),
            $from::I32($array) => $to::I32($body),
            $from::I64($array) => $to::I64($body),
        }
    };
}

impl Tensor {
    /// Element type.
    pub fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::Float32,
            Self::F16(_) => Dtype::Float16,
            Self::U8(_) => Dtype::Uint8,
            Self::I32(_) => Dtype::Int32,
            Self::I64(_) => Dtype::Int64,
        }
    }

    /// Sizes of its axes.
    pub fn shape(&self) -> &[usize] {
        each!(Self, self, array => array.shape())
    }

    /// The tensor, to feed.
    pub fn view(&self) -> Input<'_> {
        each_to!(Self, Input, self, array => array.view())
    }

    /// Its elements as 32-bit floats; `None`: they are whole numbers.
    pub fn into_floats(self) -> Option<ArrayD<f32>> {
        match self {
            Self::F32(array) => Some(array),
            Self::F16(array) => Some(array.mapv(f16::to_f32)),
            Self::U8(_) | Self::I32(_) | Self::I64(_) => None,
        }
    }
}

impl Input<'_> {
    /// Size of the first axis: rows, images or texts.
    pub fn rows(&self) -> usize {
        each!(Self, self, view => view.shape().first().copied().unwrap_or(1))
    }

    /// `rows` of it, and its last row again and again until there are `count`.
    pub(super) fn padded(&self, rows: Range<usize>, count: usize) -> Tensor {
        each_to!(Self, Tensor, self, view => {
            let taken = view.slice_axis(Axis(0), rows.clone().into());
            let last = view.slice_axis(Axis(0), (rows.end - 1..rows.end).into());
            let missing = count.saturating_sub(rows.len());
            let parts: Vec<_> = std::iter::once(taken).chain(std::iter::repeat_n(last, missing)).collect();
            // Parts of one array fit each other.
            concatenate(Axis(0), &parts).unwrap_or_default()
        })
    }
}
