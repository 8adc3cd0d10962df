//! A registry of its own: docker-registry over plain http on loopback, its images in a directory.
//! Asks for no login.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{free_address, missing};

/// A running registry; it ends with this value.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    /// Starts one that keeps its images below a directory, or says why not.
    pub fn start(folder: &Path) -> Option<Self> {
        if missing(&[("docker-registry", "docker-registry")]) {
            return None;
        }
        let address = free_address();
        let config = folder.join("registry.yml");
        let root = folder.join("registry");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {address}}}\n",
            root.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = Self { child: command.spawn().unwrap(), address };
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(&registry.address).is_err() {
            assert!(Instant::now() < end, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    /// Where it listens: `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
