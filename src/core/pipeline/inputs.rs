//! Frames become the tensors that image models are fed.

use image::RgbImage;
use ndarray::{Array4, ArrayView4};

use crate::error::{Error, Result};
use crate::input_spec::ImageInputSpec;
use crate::preprocess::image::TensorMaker;

/// What a worker keeps from one batch to the next, so that no image costs an allocation of its own.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    maker: TensorMaker,
    values: Vec<Vec<f32>>,
}

impl Inputs {
    /// A tensor `f32 [frames, 3, height, width]` for each of `specs` that is `wanted`, by its place.
    ///
    /// # Errors
    /// See [`TensorMaker::fill`].
    pub(super) fn fill<'a>(
        &mut self,
        frames: impl Iterator<Item = &'a RgbImage> + Clone,
        specs: &[ImageInputSpec],
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Vec<Option<ArrayView4<'_, f32>>>> {
        let rows = frames.clone().count();
        self.values.resize_with(specs.len(), Vec::new);
        for (_, (values, spec)) in self.values.iter_mut().zip(specs).enumerate().filter(|(place, _)| wanted(*place)) {
            values.resize(rows * values_of(spec), 0.0);
            for (frame, planes) in frames.clone().zip(values.chunks_exact_mut(values_of(spec))) {
                self.maker.fill(planes, frame, spec)?;
            }
        }
        let wanted = self.values.iter().zip(specs).enumerate().map(|(place, (values, spec))| {
            let shape = (rows, 3, spec.height as usize, spec.width as usize);
            wanted(place).then(|| ArrayView4::from_shape(shape, values.as_slice())).transpose()
        });
        let views = wanted.collect::<std::result::Result<Vec<_>, _>>();
        views.map_err(|cause| Error::Bug(format!("a tensor: {cause}")))
    }
}

/// Frames as one tensor of its own, `f32 [frames, 3, height, width]`.
///
/// # Errors
/// See [`TensorMaker::fill`].
pub(super) fn tensor<'a>(
    maker: &mut TensorMaker,
    frames: impl ExactSizeIterator<Item = &'a RgbImage>,
    spec: &ImageInputSpec,
) -> Result<Array4<f32>> {
    let mut tensor = Array4::zeros((frames.len(), 3, spec.height as usize, spec.width as usize));
    for (frame, mut planes) in frames.zip(tensor.outer_iter_mut()) {
        maker.fill(planes.as_slice_mut().unwrap_or_default(), frame, spec)?;
    }
    Ok(tensor)
}

fn values_of(spec: &ImageInputSpec) -> usize {
    3 * spec.height as usize * spec.width as usize
}
