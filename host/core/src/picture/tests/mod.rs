//! Pictures of the seed's workflows, of everything at once, and of what strangers may send.

mod hostile;
mod random;
mod samples;
mod times;

use super::{Colour, Figure, mermaid, svg, tree};
use expect_test::expect_file;
use samples::{everything, order_failed};

#[test]
fn trees_stand_as_they_are_shown() {
    expect_file!["everything.tree.txt"].assert_eq(&tree(&everything(), Colour::Off));
    expect_file!["order.tree.txt"].assert_eq(&tree(&order_failed(), Colour::Off));
}

#[test]
fn mermaid_stands_as_it_is_shown() {
    expect_file!["everything.mmd"].assert_eq(&mermaid(&everything()));
    expect_file!["order.mmd"].assert_eq(&mermaid(&order_failed()));
}

#[test]
fn colours_are_only_added() {
    let figure = order_failed();
    let mut plain = tree(&figure, Colour::On);
    for code in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m"] {
        assert!(plain.contains(code), "{code:?}");
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, tree(&figure, Colour::Off));
}

#[test]
fn a_figure_is_the_same_after_a_journey_as_json() {
    for figure in [everything(), order_failed()] {
        let text = serde_json::to_string(&figure).expect("JSON");
        assert_eq!(serde_json::from_str::<Figure>(&text).expect("a figure"), figure);
    }
}

#[test]
fn an_svg_says_in_words_what_it_shows() {
    let text = svg(&order_failed()).expect("a picture");
    let document = roxmltree::Document::parse(&text).expect("XML");
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    let of = |tag: &str| {
        root.children()
            .find(|child| child.has_tag_name(tag))
            .and_then(|child| child.text())
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(of("title"), "Order");
    assert!(
        of("desc").contains("Update Inventory (function, failed)")
            || of("desc").contains("update-inventory (function, failed)"),
        "{}",
        of("desc")
    );
    assert!(text.contains("prefers-color-scheme:dark"));
    // Status is never colour alone.
    assert!(document.descendants().any(|element| element.text() == Some("failed · out_of_stock · 1.0 s")), "{text}");
}

#[test]
fn what_ends_an_iteration_is_told_from_what_goes_on() {
    let figure = everything();
    let ends: Vec<(&str, &str)> =
        figure.edges.iter().filter(|edge| edge.ends_round).map(|edge| (edge.from.as_str(), edge.to.as_str())).collect();
    assert_eq!(ends, [("approved", "each-order")]);
    let within = |id: &str| figure.steps.iter().find(|step| step.id == id).and_then(|step| step.within.clone());
    for (id, outer) in [
        ("price", Some("each-order")),
        ("remind", Some("each-order")),
        ("backorder", Some("each-line")),
        ("paid", Some("tell")),
        ("summary", None),
        ("archive", None),
        ("report", None),
    ] {
        assert_eq!(within(id).as_deref(), outer, "{id}");
    }
}
