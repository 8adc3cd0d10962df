//! The private root of a step: the host's files below, private writes above, in a mount namespace.
//! Knows nothing of templates; where the kernel refuses, the caller falls back to remapped paths.
//!
//! With the rights to mount, one overlay over `/` carries everything and mounted file systems are laid
//! over it. Without, in a user namespace, the kernel does not lend out a directory with mounts below it,
//! so a skeleton is built and each top-level directory gets an overlay of its own.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::XattrFlags;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::process::{getegid, geteuid};
use rustix::thread::UnshareFlags;

use super::mounts::{self, HostMount};
use crate::attempt::ROOT;
use crate::beneath::{Beneath, Links};
use crate::job::{BIN_PATH, HOME_PATH, Job, WORK_PATH};
use crate::sys;

/// Directories of the kernel that a step shares with the host.
const KERNEL_DIRS: [&str; 3] = ["proc", "sys", "dev"];
/// Directories of programs: without the right to write there, they need no overlay.
const PROGRAM_DIRS: [&str; 8] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "boot"];

/// Directories whose content may be large: on disk, while everything else that a step writes is kept in
/// memory. (A layer of many small directories on disk, made and deleted for each step, costs milliseconds.)
const DISK_DIRS: [(&str, &str, u32); 3] =
    [("tmp", "tmp", 0o1777), ("work", WORK_PATH, 0o755), ("home", HOME_PATH, 0o755)];

/// Builds the private root and moves this process into it. On failure the process may be in a new
/// namespace already, which harms nothing: the host's files are still all there.
pub(super) fn enter(job: &Job, dir: &Path) -> io::Result<()> {
    let privileged = unshare()?;
    rustix::mount::mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
    let disk = dir.join(ROOT);
    make_dir(&disk, 0o755)?;
    for (name, _, mode) in DISK_DIRS {
        make_dir(&disk.join(name), mode)?;
    }
    in_memory(job).or_else(|_| on_disk(&disk))?;
    match if privileged { whole_overlay(job) } else { skeleton() } {
        Ok(()) => {}
        Err(first) => {
            // Not every kernel lays an overlay on memory, and inside another container not over `/`.
            on_disk(&disk)?;
            let again = if privileged { whole_overlay(job) } else { skeleton() };
            again.or_else(|_| if privileged { skeleton() } else { Err(first) })?;
        }
    }
    let root = Beneath::open(Path::new("mnt"), Links::InRoot)?;
    shared_memory(&root);
    for (name, target, _) in DISK_DIRS {
        attach(&root, &disk.join(name), Path::new(target), false)
            .map_err(|e| named(&format!("mount {target}"), e))?;
    }
    for bind in &job.binds {
        attach(&root, &bind.source, Path::new(&bind.target), bind.read_only)
            .map_err(|e| named(&format!("mount {}", bind.target), e))?;
    }
    if let Some(shared) = &job.share_cwd {
        attach(&root, shared, shared, false).map_err(|e| named("share the current directory", e))?;
    }
    if job.applets {
        let binary = Path::new(BIN_PATH).join(".runner");
        // By its path: `/proc/self/exe` itself lies in the mount namespace that was left.
        let program = fs::read_link("/proc/self/exe").map_err(|e| named("find this program", e))?;
        attach(&root, &program, &binary, false).map_err(|e| named("show the applets", e))?;
        super::files::link_applets(&root, Path::new(".runner"))?;
    }
    for hidden in &job.hidden {
        hide(&root, hidden).map_err(|e| named(&format!("hide {}", hidden.display()), e))?;
    }
    drop(root);
    rustix::process::chdir("mnt")?;
    match rustix::process::pivot_root(".", ".") {
        Ok(()) => rustix::mount::unmount(".", UnmountFlags::DETACH)?,
        // The initial ramfs cannot be pivoted away.
        Err(rustix::io::Errno::INVAL) => rustix::process::chroot(".")?,
        Err(error) => return Err(error.into()),
    }
    rustix::process::chdir("/")?;
    Ok(())
}

/// The layer in memory. Its mount point is shared by all attempts: each has a namespace of its own.
/// Mount points are named relative to it: no character of its path needs escaping.
fn in_memory(job: &Job) -> io::Result<()> {
    let options = CString::new("mode=755")?;
    rustix::mount::mount("layer", &job.mount_point, "tmpfs", MountFlags::NOSUID, options.as_c_str())?;
    rustix::process::chdir(&job.mount_point)?;
    layer_dirs()
}

/// The layer in the attempt's directory.
fn on_disk(disk: &Path) -> io::Result<()> {
    let layer = disk.join("layer");
    make_dir(&layer, 0o755)?;
    rustix::process::chdir(&layer)?;
    layer_dirs()
}

fn layer_dirs() -> io::Result<()> {
    ["upper", "work", "mnt"].into_iter().try_for_each(|part| make_dir(Path::new(part), 0o755))
}

/// A mount namespace; with a user namespace when the rights are missing. True when they were there.
fn unshare() -> io::Result<bool> {
    if sys::unshare(UnshareFlags::NEWNS).is_ok() {
        return Ok(true);
    }
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    sys::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)
        .map_err(|e| named("create a user namespace", e))?;
    fs::write("/proc/self/setgroups", "deny")?;
    // The step keeps its own uid: programs that ask who they are get the same answer as outside.
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).map_err(|e| named("map the user", e))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).map_err(|e| named("map the group", e))?;
    Ok(false)
}

/// One overlay over `/`, and the other mounted file systems over it.
fn whole_overlay(job: &Job) -> io::Result<()> {
    empty_dir("var/tmp", "trusted.overlay.opaque")?;
    overlay(Path::new("/"), "upper", "work", Path::new("mnt"), "redirect_dir=on,")?;
    for name in KERNEL_DIRS {
        rustix::mount::mount_bind_recursive(format!("/{name}"), format!("mnt/{name}"))?;
    }
    for (index, mount) in mounts::of_host(&job.hidden)?.iter().enumerate() {
        // A file system that cannot be repeated is missing in the step, which its programs will say.
        let _ = repeat(mount, index);
    }
    Ok(())
}

/// Makes a directory appear empty by an opaque upper one, without a mount.
fn empty_dir(name: &str, opaque: &str) -> io::Result<()> {
    let mut lower = PathBuf::from("/");
    let mut upper = PathBuf::from("upper");
    for part in Path::new(name) {
        lower.push(part);
        upper.push(part);
        let Ok(stat) = fs::symlink_metadata(&lower) else { return Ok(()) };
        if !stat.is_dir() {
            return Ok(());
        }
        make_dir(&upper, stat.mode() & 0o7777)?;
        if geteuid().is_root() {
            std::os::unix::fs::chown(&upper, Some(stat.uid()), Some(stat.gid()))?;
        }
    }
    fs::set_permissions(&upper, fs::Permissions::from_mode(0o1777))?;
    Ok(rustix::fs::setxattr(&upper, opaque, b"y", XattrFlags::empty())?)
}

/// Lays a mounted file system of the host over the private root, with private writes.
fn repeat(mount: &HostMount, index: usize) -> io::Result<()> {
    let target = Path::new("mnt").join(mount.path.strip_prefix("/").unwrap_or(&mount.path));
    if mount.is_dir {
        let (upper, work) = (format!("subs/{index}/upper"), format!("subs/{index}/work"));
        let mode = fs::metadata(&mount.path)?.mode() & 0o7777;
        make_dir(Path::new("subs"), 0o755)?;
        make_dir(&Path::new("subs").join(index.to_string()), 0o755)?;
        make_dir(Path::new(&upper), mode)?;
        make_dir(Path::new(&work), 0o755)?;
        if overlay(&mount.path, &upper, &work, &target, "").is_ok() {
            return Ok(());
        }
    }
    rustix::mount::mount_bind(&mount.path, &target)?;
    read_only(&target)
}

/// A root made of the top-level directories, for a user namespace.
fn skeleton() -> io::Result<()> {
    rustix::mount::mount_bind("mnt", "mnt")?;
    // The working directory's view of `mnt` lies below the bind; the path leads to the bind itself.
    for entry in fs::read_dir("/")? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let (host, target) = (Path::new("/").join(&name), Path::new("mnt").join(&name));
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_symlink() {
            symlink(fs::read_link(&host)?, &target)?;
        } else if kind.is_file() {
            fs::write(&target, b"")?;
            // A file that cannot be shown stays empty.
            let _ = rustix::mount::mount_bind(&host, &target);
        } else if kind.is_dir() && name != "lost+found" {
            make_dir(&target, 0o755)?;
            match name.as_str() {
                // Something of the attempt's own is mounted there.
                "tmp" => {}
                kernel if KERNEL_DIRS.contains(&kernel) => {
                    rustix::mount::mount_bind_recursive(&host, &target)?
                }
                programs if PROGRAM_DIRS.contains(&programs) && !geteuid().is_root() => {
                    rustix::mount::mount_bind_recursive(&host, &target)?;
                }
                _other => merge(&host, &target, &name, 0)?,
            }
        }
    }
    Ok(())
}

/// A private layer over one directory; where mounts below forbid it, over each of its directories.
fn merge(host: &Path, target: &Path, name: &str, depth: usize) -> io::Result<()> {
    let flat = name.replace('/', "%");
    let (upper, work) = (format!("upper/{flat}"), format!("work/{flat}"));
    make_dir(Path::new(&upper), 0o755)?;
    make_dir(Path::new(&work), 0o755)?;
    if name == "var" {
        make_dir(Path::new("upper/var/tmp"), 0o1777)?;
        // Without the attribute the host's files are seen there, and still not changed.
        let _ = rustix::fs::setxattr("upper/var/tmp", "user.overlay.opaque", b"y", XattrFlags::empty());
    }
    if overlay(host, &upper, &work, target, "userxattr,").is_ok() {
        return Ok(());
    }
    let listed = fs::read_dir(host);
    let (Ok(entries), true) = (listed, depth < 4) else {
        return Ok(rustix::mount::mount_bind_recursive(host, target)?);
    };
    for entry in entries.flatten() {
        let (Ok(part), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) else { continue };
        let (host, target) = (host.join(&part), target.join(&part));
        if kind.is_symlink() {
            symlink(fs::read_link(&host)?, &target)?;
        } else if kind.is_dir() {
            make_dir(&target, 0o755)?;
            merge(&host, &target, &format!("{name}/{part}"), depth + 1)?;
        } else {
            fs::write(&target, b"")?;
            // A file that cannot be shown stays empty.
            let _ = rustix::mount::mount_bind(&host, &target);
        }
    }
    Ok(())
}

/// Mounts an overlay. `volatile` keeps the unmount from syncing the whole file system below.
fn overlay(lower: &Path, upper: &str, work: &str, target: &Path, options: &str) -> io::Result<()> {
    let lower = lower.to_str().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    if lower.contains([',', ':', '\\']) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path cannot be named in mount options"));
    }
    let base = format!("{options}lowerdir={lower},upperdir={upper},workdir={work}");
    let volatile = CString::new(format!("{base},volatile"))?;
    let flags = MountFlags::empty();
    match rustix::mount::mount("overlay", target, "overlay", flags, volatile.as_c_str()) {
        Ok(()) => Ok(()),
        Err(_older_kernel) => {
            let plain = CString::new(base)?;
            Ok(rustix::mount::mount("overlay", target, "overlay", flags, plain.as_c_str())?)
        }
    }
}

/// Shared memory of its own, where the kernel lets us mount it.
fn shared_memory(root: &Beneath) {
    if let Ok(dir) = root.open_at(Path::new("dev/shm"), rustix::fs::OFlags::PATH, 0) {
        let options = CString::new("mode=1777").unwrap_or_default();
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        // Without it the step shares the host's, as any process does.
        let _ = rustix::mount::mount("shm", by_fd(&dir), "tmpfs", flags, options.as_c_str());
    }
}

/// Shows a file or directory of the host at a place in the private root.
fn attach(root: &Beneath, source: &Path, target: &Path, read_only_mount: bool) -> io::Result<()> {
    let place = if fs::metadata(source)?.is_dir() {
        root.create_dirs(target, 0o755)?
    } else {
        match root.open_at(target, rustix::fs::OFlags::PATH, 0) {
            Ok(there) => there,
            Err(_) => {
                drop(root.create_file(target, 0o644)?);
                root.open_at(target, rustix::fs::OFlags::PATH, 0)?
            }
        }
    };
    rustix::mount::mount_bind_recursive(source, by_fd(&place))?;
    if read_only_mount {
        let mounted = root.open_at(target, rustix::fs::OFlags::PATH, 0)?;
        read_only(Path::new(&by_fd(&mounted)))?;
    }
    Ok(())
}

/// Lays an empty directory over one that the step must not see, if it sees it at all.
fn hide(root: &Beneath, hidden: &Path) -> io::Result<()> {
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY;
    let Ok(place) = root.open_at(hidden, flags, 0) else { return Ok(()) };
    let options = CString::new("size=4k,mode=500")?;
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    Ok(rustix::mount::mount("hidden", by_fd(&place), "tmpfs", flags, options.as_c_str())?)
}

/// Makes a bind mount read-only, keeping the restrictions it has (a user namespace may not lift them).
fn read_only(target: &Path) -> io::Result<()> {
    use rustix::fs::StatVfsMountFlags as Has;
    let has = rustix::fs::statvfs(target)?.f_flag;
    let mut flags = MountFlags::BIND | MountFlags::RDONLY;
    for (present, flag) in [
        (Has::NOSUID, MountFlags::NOSUID),
        (Has::NODEV, MountFlags::NODEV),
        (Has::NOEXEC, MountFlags::NOEXEC),
        (Has::NOATIME, MountFlags::NOATIME),
        (Has::RELATIME, MountFlags::RELATIME),
    ] {
        if has.contains(present) {
            flags |= flag;
        }
    }
    Ok(rustix::mount::mount_remount(target, flags, "")?)
}

fn by_fd(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        // The umask of a supervisor takes away what others may write, and the kernel the sticky bit.
        Ok(()) if mode & 0o7022 != 0 => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn named(what: &str, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
