//! A stable merge sort whose comparison may fail. The standard sort cannot stop at an error, and may panic where a
//! comparison contradicts itself, as a tenant's can.

use std::cmp::Ordering;

use crate::error::EvalError;

/// Sorts by `compare`, equal items in the order they came.
pub(super) fn stable<T: Clone>(
    items: Vec<T>,
    mut compare: impl FnMut(&T, &T) -> Result<Ordering, EvalError>,
) -> Result<Vec<T>, EvalError> {
    let mut sorted = items;
    let mut width = 1;
    while width < sorted.len() {
        let mut merged = Vec::with_capacity(sorted.len());
        for pair in sorted.chunks(width * 2) {
            let (left, right) = pair.split_at(width.min(pair.len()));
            merge(left, right, &mut merged, &mut compare)?;
        }
        sorted = merged;
        width *= 2;
    }
    Ok(sorted)
}

fn merge<T: Clone>(
    mut left: &[T],
    mut right: &[T],
    merged: &mut Vec<T>,
    compare: &mut impl FnMut(&T, &T) -> Result<Ordering, EvalError>,
) -> Result<(), EvalError> {
    while let ([first, rest @ ..], [other, others @ ..]) = (left, right) {
        if compare(first, other)?.is_le() {
            merged.push(first.clone());
            left = rest;
        } else {
            merged.push(other.clone());
            right = others;
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    Ok(())
}
