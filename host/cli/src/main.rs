//! The `stepwell` command.

mod args;
mod client;
mod demo;
mod deploy;
mod look;
mod manage;
mod saving;
mod serve;
mod storage;

use args::{Args, Command};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.command {
        // Before any thread starts: it limits its own process and then reads what strangers sent.
        Command::CompileComponent => return stepwell_server::compile_child_main(),
        Command::RunGuests => return serve::run_guests(),
        Command::Serve(options) => serve::serve(*options),
        Command::Demo(options) => demo::demo(&options),
        Command::Deploy(options) => deploy::deploy(&options),
        Command::Graph(options) => look::graph(&options),
        Command::Show(options) => look::show(&options),
        Command::Tenant { command } => manage::tenant(&command),
        Command::Key { command } => manage::api_key(&command),
        Command::Audit(options) => manage::audit(&options),
        Command::Backup(options) => saving::backup(&options),
        Command::Restore(options) => saving::restore(&options),
        Command::Import(options) => saving::import(&options),
        Command::Export(options) => saving::export(&options),
        Command::Fsck(options) => return storage::fsck(&options),
        Command::Du(options) => storage::du(&options),
        Command::Openapi => {
            println!("{}", stepwell_server::description());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
