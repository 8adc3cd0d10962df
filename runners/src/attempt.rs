//! The directory of an attempt: names of its files, the handle of its supervisor, its exit record.
//! Starts and signals nothing.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{self, CWD, FileType, Mode, OFlags};
use rustix::process::{Pid, PidfdFlags};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Exit, Isolation};

/// The job of the supervisor.
pub(crate) const SPEC: &str = "spec.json";
/// The handle of the supervisor.
pub(crate) const HANDLE: &str = "handle.json";
/// The exit record.
pub(crate) const EXIT: &str = "exit.json";
/// The exit record before it has its name.
pub(crate) const EXIT_NEW: &str = "exit.json.new";
/// Locked for as long as the supervisor (or the engine that is starting it) lives.
pub(crate) const LOCK: &str = "lock";
/// FIFO on which the supervisor takes commands.
pub(crate) const CONTROL: &str = "control";
/// The wish to cancel, kept in case the supervisor does not listen yet.
pub(crate) const CANCEL: &str = "cancel.json";
/// What the step said last while it runs.
pub(crate) const SIGNAL: &str = "signal.json";
/// Directory of the marker files with which a paused step goes on.
pub(crate) const PAUSES: &str = "pause";
/// Everything of the private root; goes when the attempt has ended.
pub(crate) const ROOT: &str = "root";

/// Identifies the supervisor's process beyond doubt: a pid alone means nothing after a reboot or once
/// it has been given away again (F15, F16).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Handle {
    pub(crate) boot_id: String,
    pub(crate) pid: i32,
    /// Clock ticks between boot and the start of the process.
    pub(crate) start_ticks: u64,
    pub(crate) started_at: Timestamp,
    pub(crate) host: String,
    pub(crate) isolation: Isolation,
    /// Why there is no private root, when one was wanted.
    pub(crate) isolation_note: Option<String>,
}

/// Content of the cancel file and of the commands on the FIFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelWish {
    pub(crate) grace_ms: u64,
}

/// Content of the signal file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Signal {
    /// Units done, and units in all.
    pub(crate) progress: Option<(i64, i64)>,
    /// Since when a daemon is ready, and its address.
    pub(crate) ready: Option<(Timestamp, String)>,
    /// Where it is paused, and how it goes on.
    #[serde(default)]
    pub(crate) paused: Option<String>,
}

/// An open attempt directory.
pub(crate) struct AttemptDir {
    fd: OwnedFd,
}

impl AttemptDir {
    /// Opens an existing directory; `None` when there is none.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match fs::openat(CWD, path, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd })),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The descriptor of the directory.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Opens a file of the directory.
    pub(crate) fn open_file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(File::from(fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// The content of a file, or nothing when it is absent.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let mut file = match self.open_file(name, OFlags::RDONLY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// A file as JSON; `Some(Err)` when it is there and damaged.
    pub(crate) fn read_json<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> io::Result<Option<serde_json::Result<T>>> {
        Ok(self.read(name)?.map(|bytes| serde_json::from_slice(&bytes)))
    }

    /// Writes a file of mode 0600 without syncing it.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.open_file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?.write_all(bytes)
    }

    /// Writes a file under another name and renames it: readers see all of it or nothing.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = format!("{name}.new");
        self.write(&temporary, bytes)?;
        Ok(fs::renameat(&self.fd, &temporary, &self.fd, name)?)
    }

    /// Writes the exit record: once this returns, it survives a power cut.
    ///
    /// One sync: it makes the content and the temporary name durable, and should the rename be lost in a
    /// power cut, `recover_exit` does it again. Readers see all of the record or none.
    pub(crate) fn write_exit(&self, exit: &Exit) -> io::Result<()> {
        let bytes = serde_json::to_vec(exit)?;
        let mut file = self.open_file(EXIT_NEW, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?;
        file.write_all(&bytes)?;
        fs::fsync(&file)?;
        Ok(fs::renameat(&self.fd, EXIT_NEW, &self.fd, EXIT)?)
    }

    /// The exit record, if there is one.
    pub(crate) fn exit(&self) -> io::Result<Option<Exit>> {
        match self.read_json::<Exit>(EXIT)? {
            None => Ok(None),
            Some(parsed) => Ok(Some(parsed?)),
        }
    }

    /// The exit record of an attempt that nobody supervises any more, also one that was synced and not
    /// renamed. Half a record is none.
    pub(crate) fn recover_exit(&self) -> io::Result<Option<Exit>> {
        if let Some(exit) = self.exit()? {
            return Ok(Some(exit));
        }
        let Some(Ok(exit)) = self.read_json::<Exit>(EXIT_NEW)? else { return Ok(None) };
        fs::renameat(&self.fd, EXIT_NEW, &self.fd, EXIT)?;
        Ok(Some(exit))
    }

    /// The handle: absent, damaged (`Some(None)`) or whole.
    pub(crate) fn handle(&self) -> io::Result<Option<Option<Handle>>> {
        Ok(self.read_json::<Handle>(HANDLE)?.map(Result::ok))
    }

    /// Creates the command FIFO; an existing one is kept.
    pub(crate) fn make_control(&self) -> io::Result<()> {
        match fs::mknodat(&self.fd, CONTROL, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Handle {
    /// Opens the process that the handle means: same boot, same pid, same start time, not a zombie.
    pub(crate) fn open(&self, boot_id: &str) -> io::Result<Option<OwnedFd>> {
        if self.boot_id != boot_id {
            return Ok(None);
        }
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        let pidfd = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Read after the pidfd was opened: if the times agree, the pidfd means the same process.
        Ok((start_ticks(self.pid) == Some(self.start_ticks)).then_some(pidfd))
    }
}

/// Start time of a process in clock ticks since boot; nothing when it is gone or a zombie.
pub(crate) fn start_ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name may contain anything, also parentheses: fields are counted after the last one.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Identity of this boot of the machine.
pub(crate) fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn handle() -> Handle {
        let pid = i32::try_from(std::process::id()).unwrap();
        Handle {
            boot_id: boot_id().unwrap(),
            pid,
            start_ticks: start_ticks(pid).unwrap(),
            started_at: Timestamp::UNIX_EPOCH,
            host: String::new(),
            isolation: Isolation::Remap,
            isolation_note: None,
        }
    }

    #[test]
    fn f15_a_handle_of_another_boot_means_nothing() {
        assert!(handle().open(&boot_id().unwrap()).unwrap().is_some());
        assert!(handle().open("another boot").unwrap().is_none());
    }

    #[test]
    fn f16_a_reused_pid_is_recognized_by_its_start_time() {
        let reused = Handle { start_ticks: handle().start_ticks + 1, ..handle() };
        assert!(reused.open(&boot_id().unwrap()).unwrap().is_none());
    }
}
