//! The columns: each spot stands where its neighbours are, as far as those beside it in its layer leave room.

use super::level::{Draft, Spot};

/// How often all layers are gone through.
const ROUNDS: usize = 24;
/// Spots and links looked at in all rounds together, as for their order.
const WORK: usize = 240_000;
/// Rounds that even the largest picture gets: once down, once up, and the last ones, which look both ways.
const LEAST: usize = 6;
/// Between two boxes of one layer.
const SPACE: f64 = 30.0;

/// The place of each spot's port from the left.
pub(super) fn columns(draft: &Draft, rows: &[Vec<usize>]) -> Vec<f64> {
    let mut near = vec![(Vec::new(), Vec::new()); draft.spots.len()];
    for (upper, lower, weight) in &draft.segments {
        near[*lower].0.push((*upper, *weight));
        near[*upper].1.push((*lower, *weight));
    }
    let mut x = vec![0.0; draft.spots.len()];
    for row in rows {
        let mut right = 0.0;
        for spot in row {
            x[*spot] = right + draft.spots[*spot].left;
            right = x[*spot] + draft.spots[*spot].right + SPACE;
        }
    }
    let rounds = (WORK / (draft.spots.len() + draft.segments.len()).max(1)).clamp(LEAST, ROUNDS);
    for round in 0..rounds {
        let down = round % 2 == 0;
        for step in 0..rows.len() {
            let row = &rows[if down { step } else { rows.len() - 1 - step }];
            let wish = |spot: usize| {
                let both = round + 4 >= rounds;
                let above = near[spot].0.iter().filter(|_| down || both);
                let below = near[spot].1.iter().filter(|_| !down || both);
                mean(above.chain(below), &x).unwrap_or((x[spot], 0.01))
            };
            let wishes: Vec<(f64, f64)> = row.iter().map(|spot| wish(*spot)).collect();
            for (spot, place) in row.iter().zip(fit(&draft.spots, row, &wishes)) {
                x[*spot] = place;
            }
        }
    }
    x
}

fn mean<'a>(near: impl Iterator<Item = &'a (usize, f64)>, x: &[f64]) -> Option<(f64, f64)> {
    let (sum, weight) = near.fold((0.0, 0.0), |(sum, all), (spot, weight)| (sum + x[*spot] * weight, all + weight));
    (weight > 0.0).then(|| (sum / weight, weight))
}

/// The places that are nearest to the wishes (least squares) and keep order and room: isotonic regression by pooling neighbours.
fn fit(spots: &[Spot], row: &[usize], wishes: &[(f64, f64)]) -> Vec<f64> {
    let (mut shift, mut shifts) = (0.0, Vec::with_capacity(row.len()));
    let mut before: Option<&Spot> = None;
    for spot in row.iter().map(|spot| &spots[*spot]) {
        shift += before.map_or(0.0, |left| left.right + space(left, spot) + spot.left);
        shifts.push(shift);
        before = Some(spot);
    }
    // Pools: sum of wishes times weight, weight, how many.
    let mut pools: Vec<(f64, f64, usize)> = Vec::with_capacity(row.len());
    for ((wish, weight), shift) in wishes.iter().zip(&shifts) {
        let mut pool = ((wish - shift) * weight, *weight, 1);
        while let Some(last) = pools.last().filter(|last| last.0 / last.1 >= pool.0 / pool.1).copied() {
            pool = (pool.0 + last.0, pool.1 + last.1, pool.2 + last.2);
            pools.pop();
        }
        pools.push(pool);
    }
    let places = pools.into_iter().flat_map(|(sum, weight, many)| std::iter::repeat_n(sum / weight, many));
    places.zip(shifts).map(|(place, shift)| place + shift).collect()
}

/// Bends need little room between each other.
fn space(left: &Spot, right: &Spot) -> f64 {
    if left.height == 0.0 || right.height == 0.0 { SPACE / 3.0 } else { SPACE }
}
