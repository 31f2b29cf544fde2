//! Every code that the product answers has a page, and every page is the page of a code.

use crate::{assert_none, codes, files};
use std::collections::BTreeSet;

const FOLDER: &str = "docs/errors/";
const INDEX: &str = "docs/errors/README.md";

/// Codes that pages exist for.
fn pages() -> BTreeSet<String> {
    let all = files::all().into_iter().map(|file| file.path);
    let names = all.filter_map(|path| Some(path.strip_prefix(FOLDER)?.strip_suffix(".md")?.to_owned()));
    names.filter(|name| name != "README").collect()
}

#[test]
fn every_error_code_has_a_page() {
    let (codes, pages) = (codes::collect(&files::sources()).pages, pages());
    assert!(
        codes.len() > 25,
        "only {} codes were found: the sources write them in a way that `codes` does not know",
        codes.len()
    );
    let missing: Vec<_> = codes.iter().filter(|(code, _)| !pages.contains(*code)).collect();
    let missing: Vec<_> = missing.into_iter().map(|(code, at)| format!("{code}, of {at}")).collect();
    assert_none(&missing, "Write docs/errors/<code>.md (meaning, cause, what to do, is it retried) for these codes:");
}

#[test]
fn every_page_is_the_page_of_a_code() {
    let codes = codes::collect(&files::sources()).pages;
    let orphans: Vec<_> = pages().into_iter().filter(|page| !codes.contains_key(page)).collect();
    assert_none(&orphans, "Nothing answers these codes any more: remove their pages from docs/errors:");
}

#[test]
fn a_page_is_headed_by_its_code() {
    let wrong = pages()
        .into_iter()
        .filter(|page| !files::read(&format!("{FOLDER}{page}.md")).starts_with(&format!("# `{page}`\n")));
    assert_none(&wrong.collect::<Vec<_>>(), "Begin docs/errors/<code>.md with the line \"# `<code>`\":");
}

#[test]
fn the_index_names_every_code() {
    let index = files::read(INDEX);
    let codes = codes::collect(&files::sources());
    let pages = pages().into_iter().map(|page| format!("| [`{page}`]({page}.md) |"));
    let lines = codes.lines.into_keys().map(|code| format!("| `{code}` |"));
    let missing: Vec<_> = pages.chain(lines).filter(|start| !index.contains(&format!("\n{start}"))).collect();
    assert_none(&missing, "Add to docs/errors/README.md a line each that begins so:");
}

#[test]
fn the_index_names_nothing_else() {
    let (pages, lines) = (pages(), codes::collect(&files::sources()).lines);
    let index = files::read(INDEX);
    let named =
        index.lines().filter_map(|line| line.strip_prefix("| [`").or(line.strip_prefix("| `"))?.split('`').next());
    let unknown = named.filter(|code| !pages.contains(*code) && !lines.contains_key(*code)).map(str::to_owned);
    assert_none(
        &unknown.collect::<Vec<_>>(),
        "Nothing answers these codes: remove their lines from docs/errors/README.md:",
    );
}
