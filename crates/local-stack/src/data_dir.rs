//! The directory of a stack or a cluster: who works on it, and the logs of the run before.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::failure::StackError;

/// Taken by the process whose stack works on the directory; it holds that process's number. The system lets go of it
/// when the process ends, however it ends.
fn lock_file(data_dir: &Path) -> PathBuf {
    data_dir.join("lock")
}

/// Takes the directory for this process.
pub(crate) fn lock(data_dir: &Path) -> Result<File, StackError> {
    let path = lock_file(data_dir);
    let mut file =
        File::options().create(true).write(true).truncate(false).open(&path).map_err(StackError::file(&path))?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(StackError::file(&path))?;
            file.write_all(std::process::id().to_string().as_bytes()).map_err(StackError::file(&path))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let process = holder(data_dir)?.unwrap_or_default();
            Err(StackError::DataInUse { dir: data_dir.to_owned(), process })
        }
        Err(TryLockError::Error(source)) => Err(StackError::File { path, source }),
    }
}

/// The process that has taken the directory.
pub(crate) fn holder(data_dir: &Path) -> Result<Option<u32>, StackError> {
    let path = lock_file(data_dir);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StackError::File { path, source }),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            file.read_to_string(&mut process).map_err(StackError::file(&path))?;
            Ok(Some(process.trim().parse().unwrap_or_default()))
        }
        Err(TryLockError::Error(source)) => Err(StackError::File { path, source }),
    }
}

/// The log of the run before, which may be the one that explains why there is a new run, is kept as `<name>.1`.
pub(crate) fn keep_previous(log: &Path) -> Result<(), StackError> {
    let mut previous = log.as_os_str().to_owned();
    previous.push(".1");
    match std::fs::rename(log, previous) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StackError::file(log)(error)),
        _ => Ok(()),
    }
}
