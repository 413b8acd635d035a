//! Numbers of a configuration, held against what is allowed.

use std::ops::RangeInclusive;

use crate::error::{Error, Result};

pub(super) fn number(key: &str, value: u64, allowed: RangeInclusive<u64>) -> Result<u64> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    Err(Error::setup(format!("{key}: {value} must be in {} to {}", allowed.start(), allowed.end())))
}

pub(super) fn size(key: &str, value: u64, allowed: RangeInclusive<u64>) -> Result<usize> {
    number(key, value, allowed).map(|value| usize::try_from(value).unwrap_or(usize::MAX))
}
