//! What every trial does again and again: a server starts on what the one before has left, is held to it, and is put to work.

use crate::api::Api;
use crate::load::{Load, World};
use crate::process::{Manner, Process};
use crate::seed::Draw;
use crate::settle::{Tally, presence, settle};
use crate::workflows;
use std::path::PathBuf;

/// Where a server works.
pub struct Place {
    /// For the log, and whatever else survives.
    pub folder: PathBuf,
    /// The server's own folder.
    pub data: PathBuf,
}

impl Place {
    /// A server that listens, or why there is none.
    pub fn start(&self, manner: &Manner) -> Result<(Process, Api), String> {
        Process::start(&self.folder, &self.data, manner)
    }

    /// Makes the workflows, and ends the server in good order.
    pub fn deploy(&self, world: &World) -> Result<(), String> {
        let (mut process, api) = self.start(&Manner::default())?;
        workflows::deploy(&api, world)?;
        let status = process.terminate();
        if status.success() { Ok(()) } else { Err(format!("ended with {status}: {}", process.logged())) }
    }
}

/// One of many.
pub struct Cycle<'a> {
    pub world: &'a World,
    /// Starts at most.
    pub starts: u64,
    /// Whether it waits first until all is done, and verifies it. Otherwise it works in the middle of what was left.
    pub settles: bool,
}

impl Cycle<'_> {
    /// Holds a server to what was shown before, and puts it to work.
    pub fn begin(
        &self,
        (process, api): (Process, Api),
        draw: &mut Draw,
        tally: &mut Tally,
    ) -> Result<(Process, Load), String> {
        presence(self.world, &api)?;
        if self.settles {
            settle(self.world, &api, tally)?;
        } else {
            self.world.repeat(&api)?;
        }
        let load = self.world.work(&api, self.starts, draw);
        Ok((process, load))
    }
}
