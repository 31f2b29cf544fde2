//! The TypeScript client (`sdk/client`): built, packed, installed in an empty project under the name that the documented examples import, and run
//! against the real server. Everything is made in the target folder; Node and npm must be there.

use crate::support::{KEY, Server};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of the repository.
fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Where the client is built; what npm has fetched stays for the next time.
fn built() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("client")
}

/// What a program wrote; it must end well.
fn run(command: &mut Command) -> String {
    let output: Output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; install Node 20 or later with npm, so that `node` and `npm` are on the PATH")
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {}\n{text}\n{errors}", output.status);
    text
}

fn script(folder: &Path) -> Command {
    let mut node = Command::new("node");
    node.current_dir(folder).env_remove("STEPWELL_URL").env_remove("NODE_OPTIONS");
    node
}

fn npm(folder: &Path, arguments: &[&str]) -> String {
    let quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];
    run(Command::new("npm").args(arguments).args(quiet).current_dir(folder))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("makes a folder");
    for entry in std::fs::read_dir(from).expect("lists") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copies");
    }
}

fn forget(folder: &Path) {
    if folder.exists() {
        std::fs::remove_dir_all(folder).expect("removes");
    }
}

/// The client's sources in a folder of their own, with the compiler that the lock file names, compiled.
fn build() {
    let built = built();
    for folder in ["src", "test", "dist"] {
        forget(&built.join(folder));
    }
    for folder in ["src", "test"] {
        copy(&source("sdk/client").join(folder), &built.join(folder));
    }
    for file in ["package.json", "package-lock.json", ".npmrc", "tsconfig.json", "README.md"] {
        std::fs::copy(source("sdk/client").join(file), built.join(file)).expect("copies");
    }
    let (lock, installed) = (built.join("package-lock.json"), built.join("node_modules/.installed-lock"));
    if std::fs::read(&lock).ok() != std::fs::read(&installed).ok() {
        npm(&built, &["ci"]);
        std::fs::copy(&lock, &installed).expect("copies");
    }
    compile(&built, &built);
}

fn compile(built: &Path, project: &Path) {
    run(script(built).arg("node_modules/typescript/bin/tsc").arg("-p").arg(project));
}

/// An empty project with the packed client in it.
fn install() -> PathBuf {
    let (built, project) = (built(), built().with_file_name("client-project"));
    let listed = npm(&built, &["pack", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("a list");
    let packed = &listed[0];
    let files = packed["files"].as_array().expect("files").iter().filter_map(|file| file["path"].as_str());
    let mut others: Vec<&str> = files.filter(|path| !path.starts_with("dist/")).collect();
    others.sort_unstable();
    assert_eq!(others, ["README.md", "package.json"], "no sources, no tests");
    forget(&project);
    std::fs::create_dir_all(&project).expect("makes a folder");
    std::fs::write(project.join("package.json"), r#"{"private": true, "type": "module"}"#).expect("writes");
    let tarball = built.join(packed["filename"].as_str().expect("a name"));
    // Offline: it depends on nothing.
    npm(&project, &["install", "--offline", &format!("business-as-code@file:{}", tarball.display())]);
    project
}

fn against(server: &Server, project: &Path, name: &str) -> String {
    let mut node = script(project);
    node.arg(source("tests/client").join(name)).arg(project);
    run(node
        .env("BASE_URL", &server.client.address)
        .env("APIS_DO_KEY", KEY)
        .env("STRIPE_WEBHOOK_SECRET", "whsec_dGVzdA=="))
}

#[test]
fn the_packed_client_does_what_the_document_shows() {
    build();
    run(script(&built()).args(["--test", "test/requests.test.mjs", "test/following.test.mjs"]));
    let project = install();
    let mut prepare = script(&project);
    prepare.arg(source("tests/client/prepare.mjs")).arg(&project);
    // The document is handed out beside the repository.
    let document =
        std::env::var_os("STEPWELL_DOCUMENT").map_or(source("../shared/seed/workflows-api.txt"), PathBuf::from);
    run(if document.exists() { prepare.arg(document) } else { &mut prepare });
    compile(&built(), &project);
    let server = Server::start();
    assert_eq!(against(&server, &project, "run.mjs"), "26 examples\n");
    let server = Server::start();
    assert_eq!(against(&server, &project, "features.mjs"), "features\n");
}
