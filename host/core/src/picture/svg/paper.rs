//! Writes SVG: numbers short, text escaped.

use crate::picture::layout::{Point, Rect};
use crate::picture::text::xml;
use std::fmt::Write as _;

/// The picture under way.
#[derive(Default)]
pub(in crate::picture) struct Paper {
    out: String,
}

/// A number with one decimal at most.
pub(in crate::picture) fn n(number: f64) -> f64 {
    let rounded = (number * 10.0).round() / 10.0;
    if rounded == 0.0 { 0.0 } else { rounded }
}

impl Paper {
    /// Text that is ours, or escaped.
    pub fn raw(&mut self, text: &str) -> &mut Self {
        self.out.push_str(text);
        self
    }

    /// What `format_args!` gives.
    pub fn put(&mut self, args: std::fmt::Arguments<'_>) -> &mut Self {
        // Writing to a string does not fail.
        let _ = self.out.write_fmt(args);
        self
    }

    /// A line of text; `class` says how it looks.
    pub fn text(&mut self, at: Point, class: &str, text: &str) -> &mut Self {
        self.put(format_args!("<text x=\"{}\" y=\"{}\" class=\"{class}\">{}</text>", n(at.x), n(at.y), xml(text)))
    }

    /// The same round a middle.
    pub fn middle(&mut self, at: Point, class: &str, text: &str) -> &mut Self {
        let (x, y) = (n(at.x), n(at.y));
        self.put(format_args!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" class=\"{class}\">{}</text>",
            xml(text)
        ))
    }

    /// A box with round corners.
    pub fn rect(&mut self, rect: Rect, class: &str, radius: f64) -> &mut Self {
        let (at, size) = (rect.at, rect.size);
        self.put(format_args!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" class=\"{class}\"/>",
            n(at.x),
            n(at.y),
            n(size.width),
            n(size.height),
            n(radius)
        ))
    }

    /// A small drawing with its left upper corner there.
    pub fn sign(&mut self, at: Point, class: &str, path: &str) -> &mut Self {
        self.put(format_args!(
            "<path transform=\"translate({} {})\" class=\"{class}\" d=\"{path}\"/>",
            n(at.x),
            n(at.y)
        ))
    }

    /// A title, which browsers show at the pointer.
    pub fn title(&mut self, text: &str) -> &mut Self {
        self.put(format_args!("<title>{}</title>", xml(text)))
    }

    /// The whole document.
    pub fn finish(self) -> String {
        self.out
    }
}
