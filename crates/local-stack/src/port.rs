//! Ports on 127.0.0.1: is one free, which one is, and who holds it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below the range that systems take for outgoing connections (32768 and up on Linux, 49152 on macOS): a server that is
/// stopped and started again finds its port free, and a client that keeps knocking at it cannot connect to itself.
const CANDIDATES: Range<u16> = 20_000..32_000;

/// True if a server can listen on the port now.
///
/// # Errors
/// What the operating system says beyond "in use", such as a port that needs privileges.
pub fn is_free(port: u16) -> io::Result<bool> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(false),
        Err(error) => Err(error),
    }
}

/// A free port that is none of `taken`. Another process may take it before we use it.
///
/// # Errors
/// What the operating system says, or `AddrInUse` when no candidate is free.
pub fn free(taken: &[u16]) -> io::Result<u16> {
    // Processes that look at the same time begin at different places.
    let span = u64::from(CANDIDATES.end - CANDIDATES.start);
    let offset = u16::try_from(RandomState::new().hash_one(std::process::id()) % span).unwrap_or(0);
    let middle = CANDIDATES.start + offset;
    for port in (middle..CANDIDATES.end).chain(CANDIDATES.start..middle) {
        if !taken.contains(&port) && is_free(port)? {
            return Ok(port);
        }
    }
    Err(io::Error::from(io::ErrorKind::AddrInUse))
}

/// Name and number of the process that listens on the port, as far as we may see it: `java (process 4711)`.
#[must_use]
pub fn holder(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .find_map(|table| listening_inode(&table, port))?;
    let link = format!("socket:[{inode}]");
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(files) = std::fs::read_dir(entry.path().join("fd")) else {
            continue;
        };
        let holds = files
            .flatten()
            .any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == link.as_str()));
        if holds {
            let command = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {pid})", command.trim()));
        }
    }
    None
}

/// The socket of the listener on `port` in a table of the form of `/proc/net/tcp` (proc_net_tcp in the kernel's documentation).
fn listening_inode(table: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (_, local_port) = local.rsplit_once(':')?;
        (*state == LISTEN && u16::from_str_radix(local_port, 16) == Ok(port)).then(|| (*inode).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_port_is_not_free_and_its_holder_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port).unwrap());
        assert!(holder(port).unwrap().ends_with(&format!("(process {})", std::process::id())));
        drop(listener);
        assert!(is_free(port).unwrap());
        assert_eq!(holder(port), None);
    }

    #[test]
    fn a_free_port_is_none_of_the_taken_ones() {
        let first = free(&[]).unwrap();
        assert!(CANDIDATES.contains(&first));
        assert_ne!(free(&[first]).unwrap(), first);
    }
}
