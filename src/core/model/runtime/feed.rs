//! Planes and embeddings of 32-bit floats become what a model takes: its layout, its element type, its length.

use half::f16;
use ndarray::{ArrayD, ArrayViewD, Axis};

use crate::input_spec::Layout;
use crate::model::folder::manifest::Manifest;
use crate::model::folder::tensor::Dtype;
use crate::model::runtime::tensor::{Input, Tensor};

/// A tensor as a model takes it: the caller's own, or one that was made of it.
pub(super) enum Fed<'a> {
    AsGiven(ArrayViewD<'a, f32>),
    Made(Tensor),
}

impl Fed<'_> {
    pub(super) fn view(&self) -> Input<'_> {
        match self {
            Self::AsGiven(view) => Input::F32(view.view()),
            Self::Made(tensor) => tensor.view(),
        }
    }
}

/// What the only input of `manifest` is fed for `given`: planes `[N, 3, height, width]`, or embeddings `[N, D]`.
pub(super) fn fed<'a>(manifest: &Manifest, given: ArrayViewD<'a, f32>) -> Fed<'a> {
    let dtype = manifest.inputs.first().map_or(Dtype::Float32, |input| input.dtype);
    let has_channels_last = manifest.image.as_ref().is_some_and(|image| image.layout == Layout::Nhwc);
    if dtype == Dtype::Float32 && !has_channels_last && !manifest.l2_normalize {
        return Fed::AsGiven(given);
    }
    let floats: ArrayD<f32> = if has_channels_last && given.ndim() == 4 {
        given.permuted_axes(vec![0, 2, 3, 1]).as_standard_layout().into_owned()
    } else if manifest.l2_normalize {
        normalized(&given)
    } else {
        given.into_owned()
    };
    Fed::Made(match dtype {
        Dtype::Float16 => Tensor::F16(floats.mapv(f16::from_f32)),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; pixels are bytes")]
        Dtype::Uint8 => Tensor::U8(floats.mapv(|value| value.round() as u8)),
        Dtype::Float32 | Dtype::Int32 | Dtype::Int64 => Tensor::F32(floats),
    })
}

/// Each row divided by its length; one of zeros stays.
#[expect(clippy::cast_possible_truncation, reason = "at most 1")]
fn normalized(rows: &ArrayViewD<'_, f32>) -> ArrayD<f32> {
    let mut rows = rows.to_owned();
    for mut row in rows.axis_iter_mut(Axis(0)) {
        let length = row.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt();
        if length > 0.0 {
            row.mapv_inplace(|value| (f64::from(value) / length) as f32);
        }
    }
    rows
}
