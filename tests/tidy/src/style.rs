//! Rules for the text of every source.

use crate::files::{self, File};
use crate::{assert_none, rust};

/// Longest source, in lines, tests included (architecture.md section 6).
const LINES: usize = 500;

/// Finds a pattern in every source: `place` lists the bytes where it stands.
fn find(places: impl Fn(&File) -> Vec<usize>) -> Vec<String> {
    files::sources()
        .iter()
        .flat_map(|file| places(file).into_iter().map(|at| file.at(at)).collect::<Vec<_>>())
        .collect()
}

/// Where one of these words stands by itself, comments included.
fn any_word(text: &str, words: &[&'static str]) -> Vec<usize> {
    words.iter().flat_map(|word| rust::words(text, word).collect::<Vec<_>>()).collect()
}

#[test]
fn every_source_says_what_it_is_for() {
    let silent = files::sources().into_iter().filter(|file| !file.text.starts_with("//! ")).map(|file| file.path);
    assert_none(&silent.collect::<Vec<_>>(), "Begin each of these files with a line \"//! <what it is for>\":");
}

#[test]
fn no_source_is_too_long() {
    let is_source = |file: &File| [".rs", ".ts", ".js", ".py", ".sh"].iter().any(|end| file.path.ends_with(end));
    let counted = files::all().into_iter().filter(is_source).map(|file| (file.text.lines().count(), file.path));
    let long = counted.filter(|(lines, _)| *lines > LINES).map(|(lines, path)| format!("{path}: {lines} lines"));
    assert_none(&long.collect::<Vec<_>>(), "Split these files by subject; a file has at most 500 lines:");
}

#[test]
fn nothing_is_left_unfinished() {
    // Put together here, so that this file is not found itself.
    let notes = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let notes = find(|file| any_word(&file.text, &notes));
    assert_none(&notes, "Do it now, or open an issue and remove the note:");
    let macros = [concat!("to", "do"), concat!("un", "implemented")];
    let macros = find(|file| {
        let code = file.code();
        any_word(&code, &macros).into_iter().filter(|at| rust::name_end(&code, *at).starts_with('!')).collect()
    });
    assert_none(&macros, "Write what belongs here, or answer an error that says it is not supported:");
}

#[test]
fn no_test_is_left_out() {
    let ignored = find(|file| {
        let code = file.code();
        let attribute = |at: &usize| code[..*at].trim_end().ends_with('[') || code[..*at].trim_end().ends_with(',');
        let is_end = |at: &usize| rust::name_end(&code, *at).starts_with([']', ' ', ',', ')']);
        let in_attribute = |at: &usize| code[..*at].rfind("#[").is_some_and(|open| !code[open..*at].contains(']'));
        rust::words(&code, "ignore").filter(|at| attribute(at) && is_end(at) && in_attribute(at)).collect()
    });
    assert_none(&ignored, "Make the test pass, or remove it; a test that nobody runs proves nothing:");
}

#[test]
fn no_test_sleeps() {
    let sleeps = find(|file| {
        let code = file.code();
        let tests = file.tests_begin();
        let called =
            rust::words(&code, "sleep").filter(|at| *at >= tests && rust::name_end(&code, *at).starts_with('('));
        called.collect()
    });
    assert_none(&sleeps, "Wait for a condition, or use virtual time, instead of sleeping in a test:");
}

#[test]
fn every_queue_has_a_limit() {
    const NAMES: [&str; 4] = ["unbounded", "unbounded_channel", "UnboundedSender", "UnboundedReceiver"];
    let queues = find(|file| {
        let code = file.code();
        let endless = code.match_indices("mpsc::channel()").map(|(at, _)| at);
        endless.chain(any_word(&code, &NAMES)).collect()
    });
    assert_none(&queues, "Give the queue a limit, and decide what happens when it is full:");
}

/// Paths that exist only on the machine where somebody wrote them.
#[test]
fn no_file_names_a_path_of_one_machine() {
    let folders = [concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/"), concat!("/", "Users/")];
    let named = files::all().into_iter().flat_map(|file| {
        let all = folders.iter().flat_map(|folder| file.text.match_indices(folder));
        // `a/home/b` and an address with such a path are not meant.
        let starts = |at: usize| !file.text[..at].ends_with(|c: char| c.is_alphanumeric() || "_-./~}".contains(c));
        all.filter(|(at, _)| starts(*at)).map(|(at, _)| file.at(at)).collect::<Vec<_>>()
    });
    assert_none(&named.collect::<Vec<_>>(), "Take the path from the environment, or from where the file lies:");
}

#[test]
fn nothing_is_written_to_a_fixed_temporary_path() {
    let folder = concat!("/", "tmp/");
    let is_program =
        |file: &&File| file.path.ends_with(".rs") || file.path.ends_with(".sh") || file.path.starts_with(".ci/");
    let files = files::all();
    let named = files.iter().filter(is_program).flat_map(|file| {
        let starts = |at: usize| !file.text[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.}".contains(c));
        file.text.match_indices(folder).filter(|(at, _)| starts(*at)).map(|(at, _)| file.at(at)).collect::<Vec<_>>()
    });
    assert_none(
        &named.collect::<Vec<_>>(),
        "Make a folder of its own (tempfile, mktemp): two runs must not meet in one:",
    );
}
