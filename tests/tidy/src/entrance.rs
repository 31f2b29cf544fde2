//! What a newcomer runs is what is tested: the README's commands, the aliases and the script of continuous integration agree.

use crate::{assert_none, files, manifest};

const SCRIPT: &str = ".ci/run";

/// The README's two commands: the demo, and the tests.
const COMMANDS: [&str; 2] = ["cargo demo", "cargo verify"];

/// The lines of a Markdown text's blocks of code.
fn blocks(markdown: &str) -> Vec<&str> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for line in markdown.lines() {
        match line.trim_start().starts_with("```") {
            true => is_code = !is_code,
            false if is_code => lines.push(line.trim()),
            false => {}
        }
    }
    lines
}

/// The commands of a script, without the words before them that only say how to run them.
fn commands(script: &str) -> Vec<&str> {
    let lines = script.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.find("cargo ").map(|at| &line[at..])).collect()
}

#[test]
fn the_readme_and_ci_give_the_same_commands() {
    let (readme, script) = (files::read("README.md"), files::read(SCRIPT));
    let (readme, script) = (blocks(&readme), commands(&script));
    let missing = COMMANDS.into_iter().flat_map(|command| {
        let is_told = readme.iter().any(|line| line.split('#').next().is_some_and(|line| line.trim() == command));
        let told = (!is_told).then(|| format!("README.md: a block of code with the line `{command}`"));
        let run = (!script.contains(&command)).then(|| format!("{SCRIPT}: a step that runs `{command}`, as it stands"));
        told.into_iter().chain(run)
    });
    assert_none(&missing.collect::<Vec<_>>(), "What is told must be what is tested; these are missing:");
}

#[test]
fn every_command_is_an_alias() {
    let config = files::read(".cargo/config.toml");
    let aliases = manifest::aliases(&config);
    let missing =
        COMMANDS.into_iter().chain(["cargo tidy", "cargo guests"]).map(|command| command.trim_start_matches("cargo "));
    let missing = missing.filter(|name| !aliases.iter().any(|(alias, _)| alias == name)).map(str::to_owned);
    assert_none(&missing.collect::<Vec<_>>(), "Define these aliases in .cargo/config.toml:");
}

#[test]
fn the_script_of_ci_can_be_run_and_stops_at_the_first_failure() {
    let script = files::read(SCRIPT);
    assert!(script.starts_with("#!/usr/bin/env bash\n"), "{SCRIPT} begins with #!/usr/bin/env bash");
    assert!(
        script.contains("\nset -euo pipefail\n"),
        "{SCRIPT} says `set -euo pipefail`: a step that fails must end it"
    );
    let listed = files::git(&["ls-files", "--stage", "--", SCRIPT]);
    assert!(listed.is_empty() || listed.starts_with("100755"), "run `git update-index --chmod=+x {SCRIPT}`");
}

#[test]
fn commands_are_found_where_they_stand() {
    assert_eq!(blocks("a\n```sh\ncargo demo  # text\n```\ncargo verify\n"), ["cargo demo  # text"]);
    assert_eq!(commands("# cargo a\nstep 'x' cargo b --c\n"), ["cargo b --c"]);
}
