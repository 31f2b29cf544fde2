//! `stepwell backup`, `restore`, `export`, `import`: a store goes into a file, and comes out of one.

use crate::args::{BackupOptions, ExportOptions, RestoreOptions};
use crate::client::Client;
use crate::look::{key, print};
use crate::storage::Progress;
use anyhow::{Context as _, bail};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use stepwell_server::offline::{self, End, Exported, Offline};

/// Bytes that are read at one time.
const BUFFER_BYTES: usize = 1 << 20;
/// Files of a server's folder that may be there before anything is restored.
const MAY_BE_THERE: [&str; 1] = ["master.key"];

/// `stepwell backup`
pub fn backup(options: &BackupOptions) -> anyhow::Result<()> {
    let (file, part) = (&options.file, part_of(&options.file)?);
    let client = Client::new(options.server.server.trim_end_matches('/'), &key()?);
    let end = match fetch(&client, &part) {
        Ok(end) => end,
        Err(error) => {
            let _ = fs::remove_file(&part); // half a backup is of no use
            return Err(error);
        }
    };
    keep(&part, file)?;
    let End { rows, files, file_bytes, damaged, .. } = end;
    print(&format!("{}: {rows} rows and {files} files of {file_bytes} bytes, read back and whole", file.display()))?;
    eprintln!("The master key is not in it: secrets stay sealed. Keep the key somewhere else.");
    if damaged > 0 {
        bail!("{damaged} files of the store are damaged and not in the backup; the server's log names them");
    }
    Ok(())
}

fn fetch(client: &Client, part: &Path) -> anyhow::Result<End> {
    let mut from = client.get_stream("/store/backup")?;
    let mut to = File::options().write(true).create_new(true).open(part);
    let to = to.as_mut().map_err(|error| anyhow::anyhow!("{}: {error}", part.display()))?;
    let progress = Progress::new("bytes saved");
    let (mut buffer, mut bytes) = (vec![0; BUFFER_BYTES], 0u64);
    loop {
        let read = from.read(&mut buffer).context("the server ended the backup before its end; its log says why")?;
        if read == 0 {
            break;
        }
        to.write_all(buffer.get(..read).unwrap_or_default())?;
        bytes += read as u64;
        progress.tell(bytes);
    }
    to.sync_all()?;
    drop(progress);
    let progress = Progress::new("bytes read back");
    let mut bytes = 0;
    let (_, end) = offline::verify(BufReader::new(File::open(part)?), &mut |more| {
        bytes += more;
        progress.tell(bytes);
    })?;
    Ok(end)
}

/// `stepwell restore`
pub fn restore(options: &RestoreOptions) -> anyhow::Result<()> {
    let store = new_store(&options.data)?;
    let file = || File::open(&options.file).with_context(|| options.file.display().to_string());
    let progress = Progress::new("bytes restored");
    let mut bytes = 0;
    let (header, end) = offline::restore(BufReader::with_capacity(BUFFER_BYTES, file()?), &store, &mut |more| {
        bytes += more;
        progress.tell(bytes);
    })?;
    drop(progress);
    let End { rows, files, .. } = end;
    print(&format!("{}: {rows} rows and {files} files of the store {}", options.data.display(), header.store))?;
    eprintln!("Start the server with the master key that this store was used with.");
    Ok(())
}

/// `stepwell export`
pub fn export(options: &ExportOptions) -> anyhow::Result<()> {
    let store = Offline::open(offline::store_folder(&options.data))?;
    let progress = Progress::new("rows written");
    let (at, mut tell) = (offline::now(), |rows| progress.tell(rows));
    let exported = match &options.file {
        None => store.export(&at, &mut BufWriter::new(io::stdout().lock()), &mut tell)?,
        Some(file) => {
            let part = part_of(file)?;
            let mut out =
                BufWriter::with_capacity(BUFFER_BYTES, File::options().write(true).create_new(true).open(&part)?);
            let exported = store.export(&at, &mut out, &mut tell);
            let synced = out.into_inner().map_err(io::IntoInnerError::into_error).and_then(|out| out.sync_all());
            match (exported, synced) {
                (Ok(exported), Ok(())) => {
                    keep(&part, file)?;
                    exported
                }
                (exported, synced) => {
                    let _ = fs::remove_file(&part); // half an export is of no use
                    exported?;
                    return Ok(synced?);
                }
            }
        }
    };
    drop(progress);
    let Exported { blobs, documents, executions, entries, damaged } = exported;
    eprintln!("{executions} executions, {entries} journal lines, {documents} documents, {blobs} components");
    if damaged > 0 {
        bail!("{damaged} things are damaged, and are lines `damaged` in the export: `stepwell fsck` says more");
    }
    Ok(())
}

/// `stepwell import`
pub fn import(options: &RestoreOptions) -> anyhow::Result<()> {
    let store = new_store(&options.data)?;
    let file = File::open(&options.file).with_context(|| options.file.display().to_string())?;
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().context("no threads")?;
    let progress = Progress::new("lines read");
    let from = BufReader::with_capacity(BUFFER_BYTES, file);
    let lines = threads.block_on(offline::import(from, &store, &mut |lines| progress.tell(lines)))?;
    drop(progress);
    print(&format!("{}: {lines} lines", options.data.display()))?;
    eprintln!("Start the server with the master key that this store was used with.");
    Ok(())
}

/// Where a store comes into a server's folder that has nothing yet.
fn new_store(data: &Path) -> anyhow::Result<PathBuf> {
    let entries = match fs::read_dir(data) {
        Ok(entries) => Some(entries),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| data.display().to_string()),
    };
    for entry in entries.into_iter().flatten() {
        let name = entry?.file_name();
        let left = [".restoring", ".importing"].iter().any(|end| name.to_string_lossy().ends_with(end));
        if !left && !MAY_BE_THERE.iter().any(|allowed| name == *allowed) {
            bail!("{} is not empty ({} is in it): name a new folder", data.display(), name.display());
        }
    }
    Ok(offline::store_folder(data))
}

/// Beside the file that is made; it gets that name when it is whole.
fn part_of(file: &Path) -> anyhow::Result<PathBuf> {
    if file.exists() {
        bail!("{} is there already: name a new file", file.display());
    }
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).with_context(|| part.display().to_string()),
        _ => Ok(part), // what is left of one that did not end
    }
}

fn keep(part: &Path, file: &Path) -> anyhow::Result<()> {
    fs::rename(part, file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(folder)?.sync_all()?)
}
