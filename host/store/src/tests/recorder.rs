//! A disk that writes down what it is asked for, in order, and fails or waits where it is told to.

use crate::durability::{Disk, Durability, System};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use stepwell_engine::ports::DiskUse;

#[derive(Default)]
pub(super) struct Recorder {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    events: Vec<String>,
    /// The event that fails, once.
    fails: Option<&'static str>,
    /// Whether syncs of the index wait.
    held: bool,
    /// How full the disk says that it is.
    room: Option<DiskUse>,
}

impl Recorder {
    pub(super) fn durability(self: &Arc<Self>) -> Durability {
        fn give_up(message: &str) -> ! {
            panic!("{message}")
        }
        Durability::new(Arc::<Self>::clone(self), give_up)
    }

    /// What happened since the last call.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().events)
    }

    pub(super) fn note(&self, event: &str) {
        self.state.lock().unwrap().events.push(event.to_owned());
    }

    pub(super) fn fail(&self, event: &'static str) {
        self.state.lock().unwrap().fails = Some(event);
    }

    /// From now on syncs of the index do not return until [`Self::release`].
    pub(super) fn hold(&self) {
        self.state.lock().unwrap().held = true;
    }

    /// From now on the disk says that so much of it is free.
    pub(super) fn has_room(&self, total_bytes: u64, free_bytes: u64) {
        self.state.lock().unwrap().room = Some(DiskUse { total_bytes, free_bytes });
    }

    /// Waits until an event has happened; a minute is enough for everything but a broken store.
    pub(super) fn wait_for(&self, event: &str) {
        let state = self.state.lock().unwrap();
        let missing = |state: &mut State| !state.events.iter().any(|seen| seen == event);
        let (_state, waited) = self.changed.wait_timeout_while(state, Duration::from_secs(60), missing).unwrap();
        assert!(!waited.timed_out(), "{event} was never asked for");
    }

    pub(super) fn release(&self) {
        self.state.lock().unwrap().held = false;
        self.changed.notify_all();
    }

    fn event(&self, event: String) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let fails = state.fails.take_if(|fails| *fails == event).is_some();
        let waits = event == "sync db";
        state.events.push(event);
        self.changed.notify_all();
        if waits {
            drop(self.changed.wait_while(state, |state| state.held).unwrap());
        }
        if fails { Err(io::Error::other("told to fail")) } else { Ok(()) }
    }
}

impl Disk for Recorder {
    fn flush(&self, index: &sled::Db) -> io::Result<()> {
        self.event("flush".to_owned())?;
        System.flush(index)
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        self.event(format!("sync {}", name(&path)))?;
        System.sync_data(file)
    }

    fn sync_folder(&self, folder: &Path, handle: &File) -> io::Result<()> {
        self.event(format!("sync folder {}", name(folder)))?;
        System.sync_folder(folder, handle)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.event(format!("rename {} {}", name(from), name(to)))?;
        System.rename(from, to)
    }

    fn room(&self, folder: &Path) -> io::Result<DiskUse> {
        let told = self.state.lock().unwrap().room;
        told.map_or_else(|| System.room(folder), Ok)
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
