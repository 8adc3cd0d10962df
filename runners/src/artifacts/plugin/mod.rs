//! Artifacts behind a driver of somebody else, which speaks Argo's `ArtifactService` on a Unix socket.
//! Files change hands in a directory of the attempt; what the driver does with them is its business, and the secrets
//! that its configuration names as well.

mod call;
mod messages;

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use prost::Message;
use runner_workflows::spec::PluginArtifact;
use rustix::fs::{FileType, Mode, OFlags};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use self::call::{Fault, bounded, unary};
use super::{Driver, Packing, Stored, Unpacking, check_key, pack, unpack_file, zip};
use crate::Error;
use crate::beneath::{Beneath, Links};
use crate::error::Doing;

/// Longest wait for a connection when nothing else is said, as in Argo.
const CONNECT_SECONDS: u32 = 5;
/// Directory in which Argo expects the sockets of its drivers, each in one of its own.
const SOCKETS: &str = "/artifact-plugins";
/// What is handed to the driver.
const SAVING: &str = "saving";
/// What the driver hands over.
const LOADING: &str = "loading";

/// An artifact driver that is there, as the configuration declares it (Argo's `artifactDrivers`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArtifactDriver {
    /// The name that artifacts call it by.
    pub name: String,
    /// Its socket; `/artifact-plugins/NAME/socket` when absent, as in Argo.
    #[serde(default)]
    pub socket: Option<PathBuf>,
    /// Longest wait for a connection; 5 when absent. An artifact may say another one.
    #[serde(default)]
    pub connection_timeout_seconds: Option<u32>,
}

impl ArtifactDriver {
    fn socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| Path::new(SOCKETS).join(&self.name).join("socket"))
    }

    /// The declared driver of a name.
    ///
    /// # Errors
    /// There is none: where to declare it.
    pub(crate) fn named<'d>(drivers: &'d [Self], name: &str) -> Result<&'d Self, Error> {
        drivers.iter().find(|driver| driver.name == name).ok_or_else(|| Self::unknown(name))
    }

    /// That there is none of this name.
    pub(super) fn unknown(name: &str) -> Error {
        Error::Artifact(format!(
            "there is no artifact driver {name:?}: declare it in runner.yaml, as \
             `artifactDrivers: [{{name: {name}, socket: /path/of/its/socket}}]`"
        ))
    }
}

/// A driver's socket, found while paths still are those of the machine.
#[derive(Debug)]
pub(super) struct Door {
    driver: ArtifactDriver,
    socket: PathBuf,
    /// The directory of the socket: the driver may have made it anew when it is needed.
    dir: io::Result<OwnedFd>,
}

impl Door {
    /// Looks for the directory of the socket. That it is not there is said to whoever wants to use it.
    pub(super) fn find(driver: &ArtifactDriver) -> Self {
        let socket = driver.socket();
        let parent = socket.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(parent, flags, Mode::empty()).map_err(io::Error::from);
        Self { driver: driver.clone(), socket, dir }
    }

    /// Whether it leads to this driver.
    pub(super) fn is_of(&self, name: &str) -> bool {
        self.driver.name == name
    }
}

/// The directory in which files change hands.
pub(super) struct Exchange {
    path: PathBuf,
    dir: Beneath,
}

impl Exchange {
    /// Makes it; what an earlier try has left there is worth nothing.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let making = || format!("make {} for artifact drivers", path.display());
        std::fs::create_dir_all(path).doing(making)?;
        let dir = Beneath::open(path, Links::Refused).doing(making)?;
        Ok(Self { path: path.to_owned(), dir })
    }
}

/// One driver with one configuration.
pub(super) struct PluginDriver {
    at: PluginArtifact,
    door: Rc<Door>,
    exchange: Option<Rc<Exchange>>,
    runtime: Runtime,
}

impl PluginDriver {
    /// Prepares it; the driver hears of nothing yet.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open(
        at: &PluginArtifact,
        door: Rc<Door>,
        exchange: Option<Rc<Exchange>>,
    ) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.doing(|| "make a runtime for artifacts".into())?;
        Ok(Self { at: at.clone(), door, exchange, runtime })
    }

    fn exchange(&self) -> Result<&Exchange, Error> {
        self.exchange
            .as_deref()
            .ok_or_else(|| Error::Artifact("there is no directory to exchange files in".into()))
    }

    fn artifact(&self, key: &str) -> Result<Option<messages::Artifact>, Error> {
        check_key(key)?;
        Ok(Some(self.anywhere(key)))
    }

    fn anywhere(&self, key: &str) -> messages::Artifact {
        let plugin = messages::Plugin {
            name: self.at.name.clone(),
            configuration: self.at.configuration.clone(),
            connection_timeout_seconds: self.at.connection_timeout_seconds,
            key: key.to_owned(),
        };
        messages::Artifact { plugin: Some(plugin) }
    }

    fn ask<A: Message + Default>(&self, method: &str, request: &impl Message) -> Result<A, Error> {
        let Door { driver, socket, dir } = &*self.door;
        let name = &driver.name;
        let absent = |why: &dyn std::fmt::Display| {
            Error::Artifact(format!(
                "artifact driver {name:?} cannot be reached at {} ({why}): is it running?",
                socket.display()
            ))
        };
        let dir = dir.as_ref().map_err(|error| absent(error))?;
        let file = socket.file_name().ok_or_else(|| absent(&"this names no socket"))?;
        let path = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(file);
        let own = u32::try_from(self.at.connection_timeout_seconds).ok().filter(|seconds| *seconds > 0);
        let seconds = own.or(driver.connection_timeout_seconds).unwrap_or(CONNECT_SECONDS);
        let patience = Duration::from_secs(u64::from(seconds));
        self.runtime.block_on(unary(&path, patience, method, request)).map_err(|fault| match fault {
            Fault::Unreachable(why) => absent(&why),
            Fault::NotFound(why) => Error::Missing(format!("artifact driver {name:?}: {why}")),
            Fault::Broken(why) => Error::Artifact(format!("artifact driver {name:?}, {method}: {why}")),
        })
    }

    fn failed(&self, method: &str, error: &str) -> Error {
        let why = if error.is_empty() { "it failed and does not say why" } else { error };
        Error::Artifact(format!("artifact driver {:?}, {method}: {}", self.door.driver.name, bounded(why)))
    }

    fn done(&self, method: &str, request: &impl Message) -> Result<(), Error> {
        let done: messages::Done = self.ask(method, request)?;
        if done.success { Ok(()) } else { Err(self.failed(method, &done.error)) }
    }

    /// Fills the file or directory that is handed over, and has it saved. Saving it again is saving it once.
    fn save(
        &self,
        key: &str,
        fill: impl FnOnce(&Beneath, &Path) -> Result<u64, Error>,
    ) -> Result<Stored, Error> {
        let output_artifact = self.artifact(key)?;
        let exchange = self.exchange()?;
        let name = Path::new(SAVING);
        let handing = || "hand a file to an artifact driver".to_owned();
        exchange.dir.remove(name).doing(handing)?;
        let saved = fill(&exchange.dir, name).and_then(|size_bytes| {
            let path = exchange.path.join(name).to_string_lossy().into_owned();
            self.done("Save", &messages::SaveRequest { path, output_artifact })?;
            Ok(Stored { size_bytes, digest: None })
        });
        exchange.dir.remove(name).doing(handing)?;
        saved
    }

    /// Places what the driver has left: a file as any fetched one, a directory file by file.
    fn take(&self, unpacking: Unpacking, root: &Beneath, path: &Path) -> Result<(), Error> {
        let (from, name) = (&self.exchange()?.dir, Path::new(LOADING));
        let taking = || format!("take what artifact driver {:?} has loaded", self.door.driver.name);
        // No link is followed here: the driver may have been given one to store.
        match from.file_type(name).doing(taking)? {
            FileType::Directory => {
                root.remove(path).doing(|| format!("replace {}", path.display()))?;
                pack::copy_tree(from, name, root, path)
            }
            _file => {
                let (file, size) = from.open_regular(name).doing(taking)?;
                unpack_file(unpacking, file, size, root, path)
            }
        }
    }
}

impl Driver for PluginDriver {
    fn put(&self, root: &Beneath, path: &Path, key: &str, packing: Packing) -> Result<Stored, Error> {
        let kind = super::kind_of(root, path)?;
        self.save(key, |to, name| match packing {
            Packing::TarGzip { level } => written(to, name, |out| pack::tar_gzip(root, path, level, out)),
            Packing::Zip => written(to, name, |out| zip::pack(root, path, out)),
            Packing::None if kind == FileType::Directory => {
                pack::copy_tree(root, path, to, name)?;
                Ok(0)
            }
            Packing::None => written(to, name, |out| {
                let (mut file, _) = root.open_regular(path).doing(|| format!("read {}", path.display()))?;
                io::copy(&mut file, out).doing(|| format!("copy {}", path.display()))?;
                Ok(())
            }),
        })
    }

    fn put_bytes(&self, content: &mut dyn Read, key: &str) -> Result<Stored, Error> {
        self.save(key, |to, name| {
            written(to, name, |out| {
                io::copy(content, out).doing(|| format!("store artifact {key:?}"))?;
                Ok(())
            })
        })
    }

    fn get(&self, key: &str, unpacking: Unpacking, root: &Beneath, path: &Path) -> Result<(), Error> {
        let input_artifact = self.artifact(key)?;
        let exchange = self.exchange()?;
        let clean = || {
            let cleaned = exchange.dir.remove(Path::new(LOADING));
            cleaned.doing(|| "clean up after an artifact driver".into())
        };
        clean()?;
        let target = exchange.path.join(LOADING).to_string_lossy().into_owned();
        let loaded = self.done("Load", &messages::LoadRequest { input_artifact, path: target });
        let placed = loaded.and_then(|()| self.take(unpacking, root, path));
        clean()?;
        placed
    }

    fn list(&self, key: &str) -> Result<Vec<String>, Error> {
        let artifact = if key.is_empty() { Some(self.anywhere(key)) } else { self.artifact(key)? };
        let listed: messages::Listed = self.ask("ListObjects", &messages::ArtifactRequest { artifact })?;
        if !listed.error.is_empty() {
            return Err(self.failed("ListObjects", &listed.error));
        }
        let mut keys = listed.objects;
        keys.sort();
        Ok(keys)
    }

    fn delete(&self, key: &str) -> Result<(), Error> {
        match self.done("Delete", &messages::ArtifactRequest { artifact: self.artifact(key)? }) {
            Err(Error::Missing(_)) => Ok(()),
            other => other,
        }
    }
}

/// Writes a file and gives its size.
fn written(
    to: &Beneath,
    name: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<u64, Error> {
    let writing = || "hand a file to an artifact driver".to_owned();
    let mut file = to.create_file(name, 0o600).doing(writing)?;
    fill(&mut file)?;
    Ok(file.metadata().doing(writing)?.len())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn p1_a_save_that_was_cut_off_is_done_again_and_leaves_one_artifact() {
        let dir = tempfile::Builder::new().prefix("runner-driver-").tempdir().unwrap();
        let fake = runner_fake_driver::FakeDriver::start(dir.path());
        let driver = ArtifactDriver {
            name: "fake".into(),
            socket: Some(fake.socket.clone()),
            ..ArtifactDriver::default()
        };
        let path = dir.path().join("exchange");
        // What an engine that was killed in the middle leaves, of another shape and with more in it.
        std::fs::create_dir_all(path.join(SAVING).join("old")).unwrap();
        let exchange = Rc::new(Exchange::open(&path).unwrap());
        let at = PluginArtifact { name: "fake".into(), ..PluginArtifact::default() };
        let made = PluginDriver::open(&at, Rc::new(Door::find(&driver)), Some(exchange)).unwrap();
        for _again in 0..2 {
            made.put_bytes(&mut "kept".as_bytes(), "a/b").unwrap();
        }
        assert_eq!(std::fs::read_to_string(fake.kept("a/b")).unwrap(), "kept");
        assert_eq!(made.list("a").unwrap(), ["a/b"]);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0, "nothing is left to exchange");
        made.delete("a/b").unwrap();
        made.delete("a/b").unwrap();
        assert!(made.list("").unwrap().is_empty());
    }

    #[test]
    fn a_driver_has_argos_socket_unless_it_says_another() {
        let named = |socket: Option<&str>| ArtifactDriver {
            name: "s".into(),
            socket: socket.map(PathBuf::from),
            ..ArtifactDriver::default()
        };
        assert_eq!(named(None).socket(), Path::new("/artifact-plugins/s/socket"));
        assert_eq!(named(Some("/run/s.sock")).socket(), Path::new("/run/s.sock"));
    }
}
