//! Whether a component is of our world: what it exports and imports, by name. The types are checked by the linker.

use super::frame::{Refusal, refuse};
use super::scan::Scan;
use super::unfit::Code;
use crate::capabilities::INTERFACES;

/// Our packages, and the major version that this server has of them.
const PACKAGES: [&str; 2] = ["stepwell:function/", "stepwell:capabilities/"];
const MAJOR: &str = "1";
/// The interface that must be exported.
const HANDLER: &str = "stepwell:function/handler";
/// The one that our own runner of scripts exports instead.
const RUNNER: &str = "stepwell:script/runner";
/// Our interfaces that may be imported, beside those of the capabilities.
const OURS: &[&str] = &["stepwell:function/log", "stepwell:function/types"];

/// The release of WASI whose interfaces are linked; 0.2.x are compatible with each other.
const WASI: &str = "0.2.";
/// Interfaces of WASI that are linked (`linker`).
const LINKED: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];
/// What a message says is allowed.
const ALLOWED: &str = "a component exports stepwell:function/handler@1.x, and imports only stepwell:function/{log,types}@1.x, \
                       stepwell:capabilities/{config,secrets,key-value,events}@1.x, wasi:http/{outgoing-handler,types}@0.2.x and wasi:{cli,clocks,io,random}@0.2.x";
/// Wrong names that one message lists.
const LISTED: usize = 8;

/// What a component is compiled to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum World {
    /// A tenant's.
    Function,
    /// Our runner of scripts: only the server itself asks for it.
    Runner,
}

impl World {
    /// As the parent names it to the child.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Runner => "runner",
        }
    }

    /// The world of this name; the strict one if there is none.
    pub(super) fn of(name: &str) -> Self {
        if name == Self::Runner.name() { Self::Runner } else { Self::Function }
    }

    /// The interface that is called.
    fn exported(self) -> &'static str {
        match self {
            Self::Function => HANDLER,
            Self::Runner => RUNNER,
        }
    }
}

/// The imported interfaces, sorted.
pub(super) fn check(scan: &Scan<'_>, world: World) -> Result<Vec<String>, Refusal> {
    let mut wrong: Vec<String> = scan.imports.iter().filter_map(|name| wrong_import(name)).collect();
    wrong.extend(scan.bare_imports.iter().map(|name| format!("it imports {name}, which is not an interface")));
    wrong.extend(wrong_exports(&scan.exports, world.exported()));
    if !wrong.is_empty() {
        let more = wrong.len().saturating_sub(LISTED);
        wrong.truncate(LISTED);
        if more > 0 {
            wrong.push(format!("and {more} more"));
        }
        let message = format!(
            "the component is not of the world stepwell:function/function@1.0.0: {}; {ALLOWED}",
            wrong.join("; ")
        );
        return Err(refuse(Code::WrongWorld, message));
    }
    let mut imports: Vec<_> = scan.imports.iter().map(|name| (*name).to_owned()).collect();
    imports.sort_unstable();
    Ok(imports)
}

/// `interface` and `version` of `interface@version`.
fn split(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

fn is_ours(version: &str) -> bool {
    version.split('.').next() == Some(MAJOR)
}

fn wrong_import(name: &str) -> Option<String> {
    let (interface, version) = split(name);
    let ours = OURS.contains(&interface) || INTERFACES.contains(&interface);
    let wasi = LINKED.contains(&interface);
    if (ours && is_ours(version)) || (wasi && version.starts_with(WASI)) {
        return None;
    }
    Some(if ours {
        format!("it imports {name}, but this server has {interface}@{MAJOR}.x")
    } else if wasi {
        format!("it imports {name}, but this server has {interface}@{WASI}x")
    } else if PACKAGES.iter().any(|package| interface.starts_with(package)) {
        format!("it imports {name}, which this server does not have: it may need a newer one")
    } else if interface.starts_with("wasi:") {
        format!("it imports {name}, which is not available to functions")
    } else {
        format!("it imports {name}, which this server does not know")
    })
}

fn wrong_exports(exports: &[&str], called: &str) -> Option<String> {
    let handlers: Vec<_> = exports.iter().map(|name| (*name, split(name))).filter(|(_, (i, _))| *i == called).collect();
    if handlers.iter().any(|(_, (_, version))| is_ours(version)) {
        return None;
    }
    if let Some((name, _)) = handlers.first() {
        return Some(format!("it exports {name}, but this server calls {called}@{MAJOR}.x"));
    }
    let exported = exports.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    let exported = if exported.is_empty() { "nothing".to_owned() } else { exported };
    Some(format!("it does not export {called}@{MAJOR}.x (it exports {exported})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "stepwell:function/handler@1.0.0";

    fn message(imports: &[&'static str], exports: &[&'static str]) -> String {
        let scan = Scan { imports: imports.to_vec(), exports: exports.to_vec(), ..Scan::default() };
        match check(&scan, World::Function) {
            Ok(imports) => imports.join(" "),
            Err(refusal) => {
                assert_eq!(refusal.code, Code::WrongWorld);
                refusal.message
            }
        }
    }

    #[test]
    fn our_world_in_any_minor_version() {
        let imports = [
            "wasi:io/poll@0.2.9",
            "wasi:http/outgoing-handler@0.2.0",
            "stepwell:function/types@1.0.0",
            "stepwell:function/log@1.3.0",
            "stepwell:capabilities/key-value@1.1.0",
        ];
        assert_eq!(
            message(&imports, &["stepwell:function/handler@1.7.2", "other"]),
            "stepwell:capabilities/key-value@1.1.0 stepwell:function/log@1.3.0 stepwell:function/types@1.0.0 wasi:http/outgoing-handler@0.2.0 wasi:io/poll@0.2.9"
        );
    }

    #[test]
    fn the_wrong_name_is_in_the_message() {
        for (import, word) in [
            ("wasi:http/incoming-handler@0.2.0", "not available to functions"),
            ("wasi:http/outgoing-handler@0.3.0", "has wasi:http/outgoing-handler@0.2.x"),
            ("wasi:sockets/tcp@0.2.0", "not available to functions"),
            ("wasi:cli/stdout@0.3.0", "has wasi:cli/stdout@0.2.x"),
            ("stepwell:function/log@2.0.0", "has stepwell:function/log@1.x"),
            ("stepwell:function/secrets@1.4.0", "may need a newer one"),
            ("stepwell:capabilities/models@1.4.0", "may need a newer one"),
            ("stepwell:capabilities/secrets@2.0.0", "has stepwell:capabilities/secrets@1.x"),
            ("acme:thing/x", "does not know"),
        ] {
            let message = message(&[import], &[GOOD]);
            assert!(message.contains(&format!("it imports {import}")) && message.contains(word), "{message}");
        }
        for (export, word) in [
            ("stepwell:function/handler@2.0.0", "but this server calls stepwell:function/handler@1.x"),
            ("wasi:cli/run@0.2.0", "(it exports wasi:cli/run@0.2.0)"),
        ] {
            let message = message(&[], &[export]);
            assert!(message.contains(word) && message.contains(export), "{message}");
        }
        assert!(message(&[], &[]).contains("(it exports nothing)"));
        let scan = Scan { bare_imports: vec!["f"], exports: vec![GOOD], ..Scan::default() };
        assert!(check(&scan, World::Function).expect_err("refused").message.contains("it imports f,"));
    }

    #[test]
    fn the_runners_world_is_not_for_uploads() {
        let runner = Scan { exports: vec!["stepwell:script/runner@1.0.0"], ..Scan::default() };
        assert!(check(&runner, World::of("runner")).is_ok());
        for world in ["function", "", "other"] {
            assert_eq!(check(&runner, World::of(world)).expect_err("refused").code, Code::WrongWorld);
        }
    }
}
