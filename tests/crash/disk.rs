//! A disk of one's own: ext4 in a file, on a loop device, which can lose its power or be full.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the trials with disks need of the machine.
const TOOLS: [&str; 5] = ["mkfs.ext4", "mount", "umount", "cc", "df"];

/// Mounted while it lives.
pub struct Disk {
    image: PathBuf,
    pub mounted: PathBuf,
    cut: PathBuf,
    is_mounted: bool,
}

/// What is missing on this machine for trials with disks.
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("root, for mounting a disk".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Some("loop devices (/dev/loop-control)".to_owned());
    }
    TOOLS.iter().find(|tool| !has(tool)).map(|tool| format!("the program {tool}"))
}

/// Whether a program is there.
pub fn has(tool: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(tool).is_file())
}

/// Runs a program to its end.
pub fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Compiles a C source of this folder; where the result is.
pub fn compile(folder: &Path, source: &str, args: &[&str]) -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/crash/native").join(source);
    let made = folder.join(source.file_stem().unwrap_or_default());
    let paths = [source.to_string_lossy(), made.to_string_lossy()];
    run("cc", &[args, &["-O1", "-Wall", &paths[0], "-o", &paths[1]]].concat())?;
    Ok(made)
}

impl Disk {
    /// A fresh disk of so many MiB.
    pub fn new(folder: &Path, mib: u64) -> Result<Self, String> {
        let (image, mounted) = (folder.join("image"), folder.join("mounted"));
        fs::create_dir_all(&mounted).map_err(|error| error.to_string())?;
        let file = File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(mib << 20).map_err(|error| error.to_string())?;
        // No blocks kept for root: full means full.
        run("mkfs.ext4", &["-q", "-m", "0", &image.to_string_lossy()])?;
        let cut = compile(folder, "cut.c", &[])?;
        let mut disk = Self { image, mounted, cut, is_mounted: false };
        disk.mount()?;
        Ok(disk)
    }

    /// The power goes. What was not written is lost; every further access fails.
    pub fn cut(&self) -> Result<(), String> {
        run(&self.cut.to_string_lossy(), &[&self.mounted.to_string_lossy()]).map(drop)
    }

    /// The power comes back.
    pub fn remount(&mut self) -> Result<(), String> {
        self.unmount()?;
        self.mount()
    }

    /// Bytes that are free.
    pub fn free(&self) -> u64 {
        let table = run("df", &["--output=avail", "-B1", &self.mounted.to_string_lossy()]).unwrap_or_default();
        table.lines().nth(1).and_then(|text| text.trim().parse().ok()).unwrap_or_default()
    }

    fn mount(&mut self) -> Result<(), String> {
        run("mount", &["-o", "loop", &self.image.to_string_lossy(), &self.mounted.to_string_lossy()])?;
        self.is_mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), String> {
        run("umount", &[&self.mounted.to_string_lossy()])?;
        self.is_mounted = false;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            let _ = run("umount", &["-l", &self.mounted.to_string_lossy()]);
        }
    }
}
