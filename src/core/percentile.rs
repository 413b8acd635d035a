//! Percentiles by nearest rank: always one of the values. Intervals of an evaluation are interpolated, see its `bootstrap`.

use std::cmp::Ordering;

/// The value that `percent` of `values`, in `order`, do not exceed; sorts them. `None`: there are none.
pub fn nearest_rank<T: Copy>(values: &mut [T], percent: usize, order: impl Fn(&T, &T) -> Ordering) -> Option<T> {
    values.sort_unstable_by(order);
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let of = |percent| nearest_rank(&mut (1..=200).rev().collect::<Vec<u64>>(), percent, Ord::cmp);
        assert_eq!((of(0), of(50), of(99), of(100)), (Some(1), Some(100), Some(198), Some(200)));
        assert_eq!(nearest_rank(&mut [0.3, 0.1, 0.2], 99, f64::total_cmp), Some(0.3));
        assert_eq!(nearest_rank(&mut [], 50, f64::total_cmp), None);
    }
}
