//! One level of a picture: boxes and the links between them, in layers from top to bottom (after Sugiyama, Tagawa and Toda, 1981).
//! No loop here depends on anything but the number of boxes, links and bends, and bends are bounded.

use super::{Point, Size, order, place};

/// Between two layers: room for arrowheads and labels.
pub(super) const GAP: f64 = 58.0;

/// A box to be placed. `port` is where links enter and leave, from its left side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub size: Size,
    pub port: f64,
}

/// A link between two boxes. `weight`: how much it wants to be straight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub from: usize,
    pub to: usize,
    pub weight: f64,
}

/// Where everything is; the left upper corner is 0, 0.
#[derive(Debug, Default)]
pub(super) struct Level {
    /// The left upper corner of each box.
    pub at: Vec<Point>,
    /// The way of each link, from box to box.
    pub ways: Vec<Vec<Point>>,
    pub size: Size,
}

/// A box or a bend of a link, in its layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub layer: usize,
    pub left: f64,
    pub right: f64,
    pub height: f64,
    /// The box of this layer that it belongs beside: the first and the last bend of a link that goes back.
    pub beside: Option<usize>,
}

/// The links of neighbouring layers: `(upper spot, lower spot, weight)`.
pub(super) type Segment = (usize, usize, f64);

/// What the steps of the layout hand to each other.
pub(super) struct Draft {
    pub spots: Vec<Spot>,
    pub segments: Vec<Segment>,
    /// The spots that each link passes, from its upper end to its lower; without its ends if it goes back.
    pub chains: Vec<Chain>,
    pub layers: usize,
}

pub(super) struct Chain {
    pub spots: Vec<usize>,
    /// Against the direction of the layers: a cycle.
    pub back: bool,
}

/// Places the boxes; `None` if the links bend more often than `bends` allows, of which it takes what it uses.
pub(super) fn arrange(items: &[Item], links: &[Link], bends: &mut usize) -> Option<Level> {
    let back = backward(items.len(), links);
    let layer = layers(items.len(), links, &back);
    let draft = draft(items, links, (&back, &layer), bends)?;
    let rows = order::rows(&draft);
    let x = place::columns(&draft, &rows);
    Some(level(items, links, &draft, &x))
}

fn outgoing(items: usize, links: &[Link]) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); items];
    for (at, link) in links.iter().enumerate() {
        out[link.from].push(at);
    }
    out
}

/// For each link whether it closes a cycle, found depth first from the first box on.
fn backward(items: usize, links: &[Link]) -> Vec<bool> {
    let out = outgoing(items, links);
    let mut back = vec![false; links.len()];
    let (mut open, mut seen) = (vec![false; items], vec![false; items]);
    for start in 0..items {
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        open[start] = true;
        let mut stack = vec![(start, 0)];
        while let Some((at, next)) = stack.pop() {
            let Some(link) = out[at].get(next) else {
                open[at] = false;
                continue;
            };
            stack.push((at, next + 1));
            let to = links[*link].to;
            if open[to] {
                back[*link] = true;
            } else if !std::mem::replace(&mut seen[to], true) {
                open[to] = true;
                stack.push((to, 0));
            }
        }
    }
    back
}

/// The length of the longest way to each box, links that go back left out.
fn layers(items: usize, links: &[Link], back: &[bool]) -> Vec<usize> {
    let out = outgoing(items, links);
    let mut missing = vec![0usize; items];
    for (link, _) in links.iter().zip(back).filter(|(_, back)| !**back) {
        missing[link.to] += 1;
    }
    let mut layer = vec![0; items];
    let mut ready: Vec<usize> = (0..items).filter(|at| missing[*at] == 0).collect();
    while let Some(at) = ready.pop() {
        for link in out[at].iter().filter(|link| !back[**link]) {
            let to = links[*link].to;
            layer[to] = layer[to].max(layer[at] + 1);
            missing[to] -= 1;
            if missing[to] == 0 {
                ready.push(to);
            }
        }
    }
    layer
}

/// Half of what a bend takes in its layer.
const BEND: f64 = 13.0;

fn draft(items: &[Item], links: &[Link], (back, layer): (&[bool], &[usize]), bends: &mut usize) -> Option<Draft> {
    let spot = |(item, layer): (&Item, &usize)| Spot {
        layer: *layer,
        left: item.port,
        right: item.size.width - item.port,
        height: item.size.height,
        beside: None,
    };
    let spots = items.iter().zip(layer).map(spot).collect();
    let layers = layer.iter().max().map_or(0, |last| last + 1);
    let mut draft = Draft { spots, segments: Vec::new(), chains: Vec::with_capacity(links.len()), layers };
    for (link, back) in links.iter().zip(back) {
        let (upper, lower) = if *back { (link.to, link.from) } else { (link.from, link.to) };
        let (first, end) = if *back {
            (layer[upper], layer[lower] + 1)
        } else {
            (layer[upper] + 1, layer[lower].max(layer[upper] + 1))
        };
        *bends = bends.checked_sub(end - first)?;
        let mut spots = if *back { vec![] } else { vec![upper] };
        for layer in first..end {
            let beside = match layer {
                _ if !*back => None,
                _ if layer == first => Some(upper),
                _ if layer + 1 == end => Some(lower),
                _ => None,
            };
            spots.push(draft.spots.len());
            draft.spots.push(Spot { layer, left: BEND, right: BEND, height: 0.0, beside });
        }
        if !*back {
            spots.push(lower);
        }
        let bend = |spot: &usize| f64::from(u8::from(*spot >= items.len()));
        let between = spots.windows(2).filter_map(|pair| <&[usize; 2]>::try_from(pair).ok());
        draft.segments.extend(between.map(|[a, b]| (*a, *b, link.weight * (1.0 + 3.0 * (bend(a) + bend(b))))));
        draft.chains.push(Chain { spots, back: *back });
    }
    Some(draft)
}

/// From columns to points.
fn level(items: &[Item], links: &[Link], draft: &Draft, x: &[f64]) -> Level {
    let mut heights = vec![0.0f64; draft.layers];
    for spot in &draft.spots {
        heights[spot.layer] = heights[spot.layer].max(spot.height);
    }
    let (mut top, mut tops) = (0.0, Vec::with_capacity(heights.len()));
    for height in &heights {
        tops.push(top);
        top += height + GAP;
    }
    let left = draft.spots.iter().zip(x).map(|(spot, x)| x - spot.left).fold(f64::INFINITY, f64::min);
    let right = draft.spots.iter().zip(x).map(|(spot, x)| x + spot.right).fold(0.0, f64::max);
    let left = if left.is_finite() { left } else { 0.0 };
    let x: Vec<f64> = x.iter().map(|x| x - left).collect();
    let at: Vec<Point> = items
        .iter()
        .enumerate()
        .map(|(i, item)| Point { x: x[i] - item.port, y: tops[draft.spots[i].layer] })
        .collect();
    let ways = Ways { items, links, draft, x: &x, at: &at, rows: (&tops, &heights) };
    let size = Size { width: (right - left).max(0.0), height: (top - GAP).max(0.0) };
    let ways = ways.all();
    Level { at, ways, size }
}

struct Ways<'a> {
    items: &'a [Item],
    links: &'a [Link],
    draft: &'a Draft,
    x: &'a [f64],
    at: &'a [Point],
    /// The top and the height of each layer.
    rows: (&'a [f64], &'a [f64]),
}

/// Between the ends of two links at one side of a box.
const PORTS: f64 = 16.0;

impl Ways<'_> {
    fn all(&self) -> Vec<Vec<Point>> {
        let (leaving, entering) = (self.fans(true), self.fans(false));
        let ends = leaving.into_iter().zip(entering);
        self.draft
            .chains
            .iter()
            .zip(ends)
            .enumerate()
            .map(|(link, (chain, ends))| self.way(link, chain, ends))
            .collect()
    }

    /// For each link how far from the port it leaves (or enters) its box, so that several do not lie on each other.
    fn fans(&self, leaving: bool) -> Vec<f64> {
        let mut at_box = vec![Vec::new(); self.items.len()];
        for (link, chain) in self.draft.chains.iter().enumerate().filter(|(_, chain)| !chain.back) {
            let (of, other) = match (leaving, chain.spots.as_slice()) {
                (true, [first, second, ..]) => (*first, *second),
                (false, [.., second, last]) => (*last, *second),
                _ => continue,
            };
            at_box[of].push((self.x[other], link));
        }
        let mut offsets = vec![0.0; self.draft.chains.len()];
        for (mut ends, item) in at_box.into_iter().zip(self.items) {
            ends.sort_by(|a, b| a.0.total_cmp(&b.0));
            let room = (item.size.width - item.port).min(item.port) * 1.4;
            let step = PORTS.min(room / ends.len().max(1) as f64);
            let middle = (ends.len().max(1) - 1) as f64 / 2.0;
            for (place, (_, link)) in ends.into_iter().enumerate() {
                offsets[link] = (place as f64 - middle) * step;
            }
        }
        offsets
    }

    fn way(&self, link: usize, chain: &Chain, (leaves, enters): (f64, f64)) -> Vec<Point> {
        let (from, to) = (self.links[link].from, self.links[link].to);
        let (tops, heights) = self.rows;
        let side = |at: usize| {
            let (item, corner) = (&self.items[at], self.at[at]);
            Point { x: corner.x + item.size.width, y: corner.y + (item.size.height / 2.0).min(30.0) }
        };
        let mut way = Vec::new();
        if let (true, [spot]) = (from == to, chain.spots.as_slice()) {
            let (at, x) = (side(from), self.x[*spot]);
            let corner = |x: f64, down: f64| Point { x, y: at.y + down };
            return vec![corner(at.x, 9.0), corner(x, 9.0), corner(x, -9.0), corner(at.x, -9.0)];
        }
        if chain.back {
            // Out of the side, up along the bends, into the side; `spots` runs from the top.
            way.push(side(from));
            way.extend(chain.spots.iter().rev().map(|spot| {
                let layer = self.draft.spots[*spot].layer;
                let middle = tops[layer] + heights[layer] / 2.0;
                let y = if layer == self.draft.spots[from].layer { side(from).y } else { middle };
                Point { x: self.x[*spot], y: if layer == self.draft.spots[to].layer { side(to).y } else { y } }
            }));
            way.push(side(to));
            return way;
        }
        let corner = self.at[from];
        way.push(Point { x: self.x[from] + leaves, y: corner.y + self.items[from].size.height });
        for spot in chain.spots.iter().skip(1).take(chain.spots.len().saturating_sub(2)) {
            let layer = self.draft.spots[*spot].layer;
            way.push(Point { x: self.x[*spot], y: tops[layer] });
            way.push(Point { x: self.x[*spot], y: tops[layer] + heights[layer] });
        }
        way.push(Point { x: self.x[to] + enters, y: self.at[to].y });
        way
    }
}
