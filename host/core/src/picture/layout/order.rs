//! The order of what stands in one layer: few links should cross.

use super::level::Draft;

/// How often all layers are gone through: later rounds seldom find a better order.
const ROUNDS: usize = 10;
/// Spots and links looked at in all rounds together: a large picture gets fewer rounds, so that its time stays bounded.
const WORK: usize = 100_000;

/// The spots of each layer from left to right.
pub(super) fn rows(draft: &Draft) -> Vec<Vec<usize>> {
    let neighbours = Neighbours::of(draft);
    let mut rows = first(draft, &neighbours);
    settle(draft, &mut rows);
    let mut best = (crossings(draft, &rows, &neighbours), rows.clone());
    let rounds = (WORK / (draft.spots.len() + draft.segments.len()).max(1)).clamp(2, ROUNDS);
    for round in 0..rounds {
        if best.0 == 0 {
            break;
        }
        sweep(draft, &mut rows, &neighbours, round % 2 == 0);
        let crossed = crossings(draft, &rows, &neighbours);
        if crossed < best.0 {
            best = (crossed, rows.clone());
        }
    }
    best.1
}

/// For each spot those above and below that it is linked with.
struct Neighbours {
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
}

impl Neighbours {
    fn of(draft: &Draft) -> Self {
        let mut all = Self { above: vec![Vec::new(); draft.spots.len()], below: vec![Vec::new(); draft.spots.len()] };
        for (upper, lower, _) in &draft.segments {
            all.below[*upper].push(*lower);
            all.above[*lower].push(*upper);
        }
        all
    }
}

/// Depth first, as the definition names them: `true` before `false`, branches in their order.
fn first(draft: &Draft, neighbours: &Neighbours) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new(); draft.layers];
    let mut seen = vec![false; draft.spots.len()];
    for start in 0..draft.spots.len() {
        let mut stack = vec![start];
        while let Some(at) = stack.pop() {
            if !std::mem::replace(&mut seen[at], true) {
                rows[draft.spots[at].layer].push(at);
                stack.extend(neighbours.below[at].iter().rev());
            }
        }
    }
    rows
}

/// Goes through the layers once; each is sorted by where the neighbours in the layer before it are on average.
fn sweep(draft: &Draft, rows: &mut [Vec<usize>], neighbours: &Neighbours, down: bool) {
    let side = if down { &neighbours.above } else { &neighbours.below };
    let mut position = positions(draft, rows);
    let layers: Vec<usize> = if down { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
    for layer in layers {
        let mean = |spot: &usize| {
            let near = &side[*spot];
            let sum: f64 = near.iter().map(|other| position[*other] as f64).sum();
            if near.is_empty() { position[*spot] as f64 } else { sum / near.len() as f64 }
        };
        let mut keyed: Vec<(f64, usize)> = rows[layer].iter().map(|spot| (mean(spot), *spot)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        rows[layer] = keyed.into_iter().map(|(_, spot)| spot).collect();
        beside(draft, &mut rows[layer]);
        for (place, spot) in rows[layer].iter().enumerate() {
            position[*spot] = place;
        }
    }
}

fn settle(draft: &Draft, rows: &mut [Vec<usize>]) {
    for row in rows {
        beside(draft, row);
    }
}

/// Puts bends that belong beside a box to its right.
fn beside(draft: &Draft, row: &mut Vec<usize>) {
    let mut attached: Vec<(usize, usize)> =
        row.iter().filter_map(|spot| Some((draft.spots[*spot].beside?, *spot))).collect();
    if attached.is_empty() {
        return;
    }
    attached.sort_unstable();
    let free: Vec<usize> = row.iter().copied().filter(|spot| draft.spots[*spot].beside.is_none()).collect();
    row.clear();
    for spot in free {
        row.push(spot);
        let from = attached.partition_point(|(host, _)| *host < spot);
        row.extend(attached.iter().skip(from).take_while(|(host, _)| *host == spot).map(|(_, bend)| *bend));
    }
}

fn positions(draft: &Draft, rows: &[Vec<usize>]) -> Vec<usize> {
    let mut position = vec![0; draft.spots.len()];
    for row in rows {
        for (place, spot) in row.iter().enumerate() {
            position[*spot] = place;
        }
    }
    position
}

/// How many pairs of links cross: inversions, counted with a binary indexed tree.
fn crossings(draft: &Draft, rows: &[Vec<usize>], neighbours: &Neighbours) -> usize {
    let position = positions(draft, rows);
    let mut crossed = 0;
    for (row, next) in rows.iter().zip(rows.iter().skip(1)) {
        let mut tree = vec![0usize; next.len() + 1];
        let mut passed = 0;
        for spot in row {
            let mut ends: Vec<usize> = neighbours.below[*spot].iter().map(|other| position[*other] + 1).collect();
            ends.sort_unstable();
            crossed += ends.iter().map(|end| passed - sum(&tree, *end)).sum::<usize>();
            for end in &ends {
                add(&mut tree, *end);
            }
            passed += ends.len();
        }
    }
    crossed
}

fn add(tree: &mut [usize], mut at: usize) {
    while let Some(slot) = tree.get_mut(at) {
        *slot += 1;
        at += at & at.wrapping_neg();
    }
}

fn sum(tree: &[usize], mut at: usize) -> usize {
    let mut total = 0;
    while at > 0 {
        total += tree.get(at).copied().unwrap_or(0);
        at &= at - 1;
    }
    total
}
