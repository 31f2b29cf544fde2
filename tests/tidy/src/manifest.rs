//! As much of Cargo's manifests as the rules need.

/// What a manifest depends on: tables whose name ends in `dependencies`, whatever their target.
pub(crate) fn dependencies(manifest: &str) -> Vec<(&str, &str)> {
    let mut table = "";
    let mut all = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_end_matches(']');
            // `[dependencies.name]`
            if let Some((outer, name)) = table.rsplit_once("dependencies.") {
                all.push((name, if outer.ends_with("dev-") { "dev-dependencies" } else { "dependencies" }));
            }
            continue;
        }
        let name = line.split(['=', '.']).next().unwrap_or_default().trim();
        if table.ends_with("dependencies")
            && table != "workspace.dependencies"
            && !name.is_empty()
            && !name.starts_with('#')
        {
            all.push((name, if table.ends_with("dev-dependencies") { "dev-dependencies" } else { "dependencies" }));
        }
    }
    all
}

/// The aliases of a `.cargo/config.toml`.
pub(crate) fn aliases(config: &str) -> Vec<(&str, &str)> {
    let table = config.lines().map(str::trim).skip_while(|line| *line != "[alias]").skip(1);
    let lines = table.take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_dependencies_are_read() {
        let manifest = "[package]\nname = \"a\"\n[dependencies]\n# text\nb = { workspace = true }\nc.workspace = true\n\
                        [target.'cfg(unix)'.dependencies]\nd = \"1\"\n[dev-dependencies]\ne = \"1\"\n[dependencies.f]\nversion = \"1\"\n";
        let all = dependencies(manifest);
        assert_eq!(all.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["b", "c", "d", "e", "f"]);
        assert_eq!(all[3].1, "dev-dependencies");
    }

    #[test]
    fn aliases_are_read() {
        assert_eq!(aliases("[alias]\n# x = 1\na = \"run -- b\"\n[build]\nc = 1\n"), [("a", "run -- b")]);
    }
}
