//! The two system calls whose safe use the compiler cannot see: this is the only module with `unsafe`.
//! Everything else goes through rustix or the standard library.
#![expect(unsafe_code, reason = "namespaces and inherited descriptors; each use says why it is sound")]

use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::thread::UnshareFlags;

/// Moves this process into new namespaces. Must be called while the process has one thread.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: the flags used here (user and mount namespace) do not unshare the descriptor table, which
    // is what makes the call unsafe: no descriptor changes its meaning for anybody.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Marks every descriptor above standard error close-on-exec (V32): whatever the process that started
/// the engine left open does not reach a step.
pub(crate) fn close_inherited_on_exec() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(fd) = name.to_str().and_then(|text| text.parse::<i32>().ok()) else { continue };
        if fd > 2 {
            // SAFETY: the number was just listed as open; the borrow ends with this call, and setting a
            // flag on a descriptor that was closed meanwhile is answered with EBADF.
            let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
            match fcntl_setfd(borrowed, FdFlags::CLOEXEC) {
                Ok(()) | Err(rustix::io::Errno::BADF) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
