//! Where everything goes on paper. Bodies of loops and branches are frames: each is laid out by itself, innermost first, and is one box in
//! the level around it.

mod level;
mod order;
mod place;

use super::model::{EdgeKind, Figure, Places};
use super::{BENDS, EDGES, TooLarge};
use level::{Item, Level, Link, arrange};

/// A place, from the left upper corner; one unit is a CSS pixel.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

/// An extent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Size {
    pub width: f64,
    pub height: f64,
}

/// A box.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rect {
    pub at: Point,
    pub size: Size,
}

/// The whole layout.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub size: Size,
    /// The box of each step.
    pub boxes: Vec<Rect>,
    /// The frame of each step that has a body, outer ones first.
    pub frames: Vec<(usize, Rect)>,
    /// The marks to which paths in a frame lead that end an iteration.
    pub ends: Vec<Point>,
    /// For each edge with two ends: its number in the figure and its way.
    pub ways: Vec<(usize, Vec<Point>)>,
}

/// Space inside a frame.
const PADDING: f64 = 22.0;
/// The mark at which an iteration ends.
pub(super) const END: f64 = 22.0;

/// Lays a figure out; `sizes` are those of its steps' boxes.
///
/// # Errors
/// [`TooLarge`] for more edges or bends than a picture may have.
pub(super) fn layout(figure: &Figure, sizes: &[Size]) -> Result<Layout, TooLarge> {
    let places = Places::of(figure);
    if places.edges.len() > EDGES {
        return Err(TooLarge { what: "edges", most: EDGES });
    }
    let frames = Frames::of(figure, &places, sizes);
    frames
        .arranged()
        .map(|(levels, items)| frames.placed(&levels, &items))
        .ok_or(TooLarge { what: "bends", most: BENDS })
}

/// What stands in a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    /// A step without a body, or with its frame round it.
    Step(usize),
    /// The step whose body this level is.
    Head,
    /// Where an iteration ends.
    End,
}

struct Contents {
    things: Vec<Thing>,
    links: Vec<Link>,
    /// The edge of each link.
    edges: Vec<usize>,
}

/// The levels: number 0 is the outermost, number `n + 1` is the body of step `n`, if it has one.
struct Frames<'a> {
    figure: &'a Figure,
    sizes: &'a [Size],
    contents: Vec<Contents>,
    within: &'a [Option<usize>],
    /// Steps with a body, inner ones first.
    inner_first: Vec<usize>,
}

impl<'a> Frames<'a> {
    fn of(figure: &'a Figure, places: &'a Places, sizes: &'a [Size]) -> Self {
        let within = places.within.as_slice();
        let depth = depths(within);
        let empty = || Contents { things: Vec::new(), links: Vec::new(), edges: Vec::new() };
        let mut contents: Vec<Contents> = (0..=figure.steps.len()).map(|_| empty()).collect();
        let mut inner_first: Vec<usize> = within.iter().flatten().copied().collect();
        inner_first.sort_by_key(|step| (std::cmp::Reverse(depth[*step]), *step));
        inner_first.dedup();
        for step in &inner_first {
            contents[step + 1].things.push(Thing::Head);
        }
        let mut index = vec![0; figure.steps.len()];
        for (step, within) in within.iter().enumerate() {
            let level = &mut contents[within.map_or(0, |outer| outer + 1)];
            index[step] = level.things.len();
            level.things.push(Thing::Step(step));
        }
        let mut frames = Self { figure, sizes, contents, within, inner_first };
        for (edge, from, to) in &places.edges {
            frames.link(*edge, (*from, *to), &depth, &index);
        }
        frames
    }

    /// Adds an edge to the innermost level that has both its ends.
    fn link(&mut self, edge: usize, (mut from, mut to): (usize, usize), depth: &[usize], index: &[usize]) {
        let Some(described) = self.figure.edges.get(edge) else { return };
        let kind = described.kind;
        if described.ends_round
            && let Some(frame) = self.within[from]
        {
            let end = self.end(frame);
            return self.add(frame + 1, edge, Link { from: index[from], to: end, weight: weight(kind) });
        }
        let weight = weight(kind);
        // From the head of a body into that body, or from inside of it back to its head.
        let inside = lifted(self.within, to, depth, depth[from] + 1);
        if self.within[inside] == Some(from) {
            return self.add(from + 1, edge, Link { from: 0, to: index[inside], weight });
        }
        let inside = lifted(self.within, from, depth, depth[to] + 1);
        if self.within[inside] == Some(to) {
            let end = self.end(to);
            return self.add(to + 1, edge, Link { from: index[inside], to: end, weight });
        }
        (from, to) = (lifted(self.within, from, depth, depth[to]), lifted(self.within, to, depth, depth[from]));
        while self.within[from] != self.within[to] {
            (from, to) = (self.within[from].unwrap_or(from), self.within[to].unwrap_or(to));
        }
        let outer = self.within[from].map_or(0, |outer| outer + 1);
        self.add(outer, edge, Link { from: index[from], to: index[to], weight });
    }

    fn add(&mut self, level: usize, edge: usize, link: Link) {
        self.contents[level].links.push(link);
        self.contents[level].edges.push(edge);
    }

    /// The end mark of a frame; made when the first path leads to it.
    fn end(&mut self, frame: usize) -> usize {
        let things = &mut self.contents[frame + 1].things;
        let there = things.iter().rposition(|thing| *thing == Thing::End);
        there.unwrap_or_else(|| {
            things.push(Thing::End);
            things.len() - 1
        })
    }

    /// Arranges all levels, inner ones first: an outer one needs their sizes.
    fn arranged(&self) -> Option<(Vec<Level>, Vec<Option<Item>>)> {
        let mut bends = BENDS;
        let mut levels: Vec<Level> = (0..self.contents.len()).map(|_| Level::default()).collect();
        let mut framed: Vec<Option<Item>> = vec![None; self.figure.steps.len()];
        for step in self.inner_first.iter().map(|step| Some(*step)).chain([None]) {
            let number = step.map_or(0, |step| step + 1);
            let contents = &self.contents[number];
            let items: Vec<Item> = contents.things.iter().map(|thing| self.item(*thing, step, &framed)).collect();
            let level = arrange(&items, &contents.links, &mut bends)?;
            if let Some(step) = step {
                let head = self.sizes[step];
                let size = Size { width: level.size.width + 2.0 * PADDING, height: level.size.height + PADDING };
                framed[step] = Some(Item { size, port: level.at[0].x + head.width / 2.0 + PADDING });
            }
            levels[number] = level;
        }
        Some((levels, framed))
    }

    fn item(&self, thing: Thing, level: Option<usize>, framed: &[Option<Item>]) -> Item {
        let size = match (thing, level) {
            (Thing::End, _) => Size { width: END, height: END },
            (Thing::Head, Some(step)) => self.sizes[step],
            (Thing::Head, None) => Size::default(),
            (Thing::Step(step), _) => {
                if let Some(item) = framed[step] {
                    return item;
                }
                self.sizes[step]
            }
        };
        Item { size, port: size.width / 2.0 }
    }

    /// Moves the levels to where they are on the whole, outer ones first.
    fn placed(&self, levels: &[Level], framed: &[Option<Item>]) -> Layout {
        let mut layout =
            Layout { size: levels[0].size, boxes: vec![Rect::default(); self.sizes.len()], ..Layout::default() };
        let mut origin = vec![Point::default(); levels.len()];
        for step in [None].into_iter().chain(self.inner_first.iter().rev().map(|step| Some(*step))) {
            let number = step.map_or(0, |step| step + 1);
            let (level, contents, base) = (&levels[number], &self.contents[number], origin[number]);
            let moved = |point: Point| Point { x: point.x + base.x, y: point.y + base.y };
            for (thing, at) in contents.things.iter().zip(&level.at) {
                let at = moved(*at);
                match (thing, step) {
                    (Thing::End, _) => layout.ends.push(Point { x: at.x + END / 2.0, y: at.y + END / 2.0 }),
                    (Thing::Head, Some(step)) => layout.boxes[step] = Rect { at, size: self.sizes[step] },
                    (Thing::Head, None) => {}
                    (Thing::Step(inner), _) => match framed[*inner] {
                        Some(item) => {
                            layout.frames.push((*inner, Rect { at, size: item.size }));
                            origin[inner + 1] = Point { x: at.x + PADDING, y: at.y };
                        }
                        None => layout.boxes[*inner] = Rect { at, size: self.sizes[*inner] },
                    },
                }
            }
            let ways = contents.edges.iter().zip(&level.ways);
            layout.ways.extend(ways.map(|(edge, way)| (*edge, way.iter().copied().map(moved).collect())));
        }
        layout
    }
}

/// The ordinary way stays straight before the others.
fn weight(kind: EdgeKind) -> f64 {
    match kind {
        EdgeKind::Next | EdgeKind::Body | EdgeKind::Branch | EdgeKind::Done => 4.0,
        EdgeKind::Else => 2.0,
        EdgeKind::OnError | EdgeKind::OnTimeout => 0.3,
    }
}

/// The step, or the one whose body it is in, at most so deep.
fn lifted(within: &[Option<usize>], mut step: usize, depth: &[usize], most: usize) -> usize {
    while depth[step] > most {
        let Some(outer) = within[step] else { break };
        step = outer;
    }
    step
}

/// How many bodies each step is in.
fn depths(within: &[Option<usize>]) -> Vec<usize> {
    let mut depth: Vec<Option<usize>> = vec![None; within.len()];
    for start in 0..within.len() {
        let (mut at, mut way) = (start, Vec::new());
        let mut known = loop {
            match (depth[at], within[at]) {
                (Some(known), _) => break known + 1,
                (None, Some(outer)) => {
                    way.push(at);
                    at = outer;
                }
                (None, None) => {
                    way.push(at);
                    break 0;
                }
            }
        };
        for step in way.into_iter().rev() {
            depth[step] = Some(known);
            known += 1;
        }
    }
    depth.into_iter().map(Option::unwrap_or_default).collect()
}
