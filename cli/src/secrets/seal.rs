//! Sealing of applied Secrets: ChaCha20-Poly1305 with a key that is a file of its own (V34).
//! Does not know where Secrets are kept, and keeps no key in memory.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use runner_runners::Error;
use serde::{Deserialize, Serialize};

use super::vault::{failed, private};

/// Length of a key in bytes.
const KEY_LEN: usize = 32;

/// Where the key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    path: PathBuf,
    /// Whether it may be made when it is not there.
    own: bool,
}

impl KeyFile {
    /// A key that is made with the first Secret.
    pub fn own(path: PathBuf) -> Self {
        Self { path, own: true }
    }

    /// A key that the user keeps; it must be there.
    pub fn given(path: PathBuf) -> Self {
        Self { path, own: false }
    }

    /// The path, for people.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key.
    ///
    /// # Errors
    /// When it is not there, is none, or others can read it.
    pub fn read(&self) -> Result<LessSafeKey, Error> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::Invalid(format!(
                    "the key of the applied Secrets is not there: {}",
                    self.path.display()
                )));
            }
            Err(error) => return Err(failed("read", &self.path, error)),
        };
        private(&self.path)?;
        let bad = || {
            let how = "32 bytes in base64, as `openssl rand -base64 32` prints them";
            Error::Invalid(format!("{} is no key: it must hold {how}", self.path.display()))
        };
        let bytes = STANDARD.decode(text.trim()).map_err(|_| bad())?;
        UnboundKey::new(&CHACHA20_POLY1305, &bytes).map(LessSafeKey::new).map_err(|_| bad())
    }

    /// The key, made before if it may be.
    ///
    /// # Errors
    /// As [`Self::read`], or when it cannot be written.
    pub fn read_or_make(&self) -> Result<LessSafeKey, Error> {
        if self.own && !self.path.exists() {
            self.make()?;
        }
        self.read()
    }

    /// Whoever is first makes the key; it appears whole, and never replaces one.
    fn make(&self) -> Result<(), Error> {
        let writing = |error| failed("write", &self.path, error);
        let mut key = [0_u8; KEY_LEN];
        SystemRandom::new().fill(&mut key).map_err(|_| no_randomness())?;
        if let Some(dir) = self.path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(writing)?;
        }
        let new = self.path.with_extension(format!("{}.new", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&new).map_err(writing)?;
        let text = format!("{}\n", STANDARD.encode(key));
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(writing)?;
        let linked = std::fs::hard_link(&new, &self.path);
        std::fs::remove_file(&new).map_err(writing)?;
        match linked {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(writing(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn no_randomness() -> Error {
    Error::Invalid("the system gives no random bytes".to_owned())
}

/// What is on disk: base64 of a nonce and of what was sealed with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Version of this form.
    version: u32,
    nonce: String,
    sealed: String,
}

impl Sealed {
    /// Seals a text for a place: it opens with the same key and at the same place only.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new(key: &LessSafeKey, place: &str, mut bytes: Vec<u8>) -> Result<Self, Error> {
        let mut nonce = [0_u8; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| no_randomness())?;
        let with = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(with, Aad::from(place), &mut bytes)
            .map_err(|_| Error::Invalid("the Secret is too large to be sealed".to_owned()))?;
        Ok(Self { version: 1, nonce: STANDARD.encode(nonce), sealed: STANDARD.encode(bytes) })
    }

    /// What was sealed; nothing when key or place are others, or a bit has changed.
    pub fn open(&self, key: &LessSafeKey, place: &str) -> Option<Vec<u8>> {
        let nonce = Nonce::try_assume_unique_for_key(&STANDARD.decode(&self.nonce).ok()?).ok()?;
        let mut bytes = STANDARD.decode(&self.sealed).ok().filter(|_| self.version == 1)?;
        let length = key.open_in_place(nonce, Aad::from(place), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}
