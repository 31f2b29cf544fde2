//! Writes the macro `foreach_fixture!`: one line per folder of `plugins/fixtures`.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=../fixtures");
    println!("cargo::rerun-if-changed=build.rs");
    let mut names = Vec::new();
    for entry in fs::read_dir("../fixtures")? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    let lines: String = names.iter().map(|name| format!("        $each!({name});\n")).collect();
    let list: String = names.iter().map(|name| format!("    {name:?},\n")).collect();
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set: run it through cargo"))?;
    let text = format!(
        "/// Calls a macro with the name of every fixture. A test suite that uses it does not compile while a fixture has no \
         test of its name.\n#[macro_export]\nmacro_rules! foreach_fixture {{\n    ($each:ident) => {{\n{lines}    }};\n}}\n\n\
         /// The fixtures: the folders of `plugins/fixtures`, sorted.\npub const FIXTURES: &[&str] = &[\n{list}];\n"
    );
    fs::write(Path::new(&out).join("fixtures.rs"), text)
}
