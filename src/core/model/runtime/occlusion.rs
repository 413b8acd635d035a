//! Heat maps for models that have none of their own: what a logit loses when a part of the picture is covered (Zeiler and Fergus
//! 2014).

use std::cell::RefCell;
use std::collections::BTreeMap;

use ndarray::{Array2, Array4, ArrayView4, ArrayViewD, Axis, concatenate, s};

use crate::error::{Error, Result};

/// Whether who asked still waits.
pub type GoOn<'a> = &'a dyn Fn() -> bool;

/// Parts along a side: as many as the shipped encoder's feature map has cells.
const GRID: usize = 7;

/// What `run` gives for a picture with one part covered, a row a part: `[49, values]`. The picture is the row `row` of `tensor`,
/// planes `[N, 3, height, width]`; a part takes the picture's mean colour. Runs a row of parts at a time; `None`: `go_on` said no
/// before one of them.
///
/// # Errors
/// Those of `run`; [`Error::Bug`] when it gives rows of different lengths.
pub(super) fn covered(
    tensor: &ArrayView4<'_, f32>,
    row: usize,
    go_on: GoOn<'_>,
    run: impl Fn(ArrayViewD<'_, f32>) -> Result<Array2<f32>>,
) -> Result<Option<Array2<f32>>> {
    let mut given: Vec<Array2<f32>> = Vec::with_capacity(GRID);
    for above in 0..GRID {
        if !go_on() {
            return Ok(None);
        }
        given.push(run(with_parts_covered(tensor, row, above).view().into_dyn())?);
    }
    let views: Vec<_> = given.iter().map(|rows| rows.view()).collect();
    concatenate(Axis(0), &views).map(Some).map_err(|cause| Error::Bug(format!("rows of an occlusion: {cause}")))
}

/// What was given for each frame that was asked for, by its row: scorers and categories share it.
#[derive(Default)]
pub(super) struct Shared(RefCell<BTreeMap<usize, Option<Array2<f32>>>>);

impl Shared {
    /// What `make` gives for the row, made once.
    ///
    /// # Errors
    /// Those of `make`.
    pub(super) fn get(
        &self,
        row: usize,
        make: impl FnOnce() -> Result<Option<Array2<f32>>>,
    ) -> Result<Option<Array2<f32>>> {
        if let Some(known) = self.0.borrow().get(&row) {
            return Ok(known.clone());
        }
        let made = make()?;
        self.0.borrow_mut().insert(row, made.clone());
        Ok(made)
    }
}

/// The picture once for each part in the row of parts `above` from the top, with that part covered.
fn with_parts_covered(tensor: &ArrayView4<'_, f32>, row: usize, above: usize) -> Array4<f32> {
    let picture = tensor.index_axis(Axis(0), row);
    let (planes, height, width) = picture.dim();
    let mut pictures = Array4::zeros((GRID, planes, height, width));
    for (part, mut own) in pictures.axis_iter_mut(Axis(0)).enumerate() {
        own.assign(&picture);
        let (top, bottom) = (above * height / GRID, (above + 1) * height / GRID);
        let (left, right) = (part * width / GRID, (part + 1) * width / GRID);
        for (mut plane, whole) in own.axis_iter_mut(Axis(0)).zip(picture.axis_iter(Axis(0))) {
            plane.slice_mut(s![top..bottom, left..right]).fill(whole.mean().unwrap_or_default());
        }
    }
    pictures
}

/// What the logit `whole` of `column` loses, part by part, given the logits of the covered pictures `[49, labels]`.
pub(super) fn lost(whole: f32, covered: &Array2<f32>, column: usize) -> Array2<f32> {
    let logit = |(above, part): (usize, usize)| covered.get((above * GRID + part, column)).copied().unwrap_or(whole);
    Array2::from_shape_fn((GRID, GRID), |cell| whole - logit(cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_a_logit_hangs_on_is_the_one_that_is_lost() {
        // The logit is the sum over one bright part of the first plane.
        let mut tensor = Array4::<f32>::zeros((2, 3, 28, 21));
        tensor.slice_mut(s![1, 0, 8..12, 15..18]).fill(1.0);
        let sum = |planes: ArrayViewD<'_, f32>| {
            let sums =
                planes.axis_iter(Axis(0)).map(|picture| picture.index_axis(Axis(0), 0).slice(s![8..12, 15..18]).sum());
            Ok(Array2::from_shape_vec((planes.shape()[0], 1), sums.collect()).unwrap())
        };
        assert!(covered(&tensor.view(), 1, &|| false, sum).unwrap().is_none());
        let map = lost(12.0, &covered(&tensor.view(), 1, &|| true, sum).unwrap().unwrap(), 0);
        for ((row, column), &value) in map.indexed_iter() {
            assert_eq!(value > 5.0, (row, column) == (2, 5), "{row}, {column}: {value}");
        }
    }
}
