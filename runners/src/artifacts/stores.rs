//! The stores that one attempt reaches: opens each of them once, with the secrets that were looked up for it.
//! Looks up no secret itself: the engine did, before the supervisor was started.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use runner_workflows::spec::{Artifact, k8s};
use serde::{Deserialize, Serialize};

use super::location::{Location, in_repository, locate};
use super::plugin::{Door, Exchange, PluginDriver};
use super::{ArtifactDriver, Driver, LocalRepository, git, object, web};
use crate::{ArtifactRepository, Error, SecretValue};

/// One value that a store asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credential {
    /// Name of the Secret; empty for a variable of the engine's own environment.
    pub(crate) name: String,
    /// Key in it.
    pub(crate) key: String,
    pub(crate) value: SecretValue,
}

/// What was looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credentials<'a>(pub(crate) &'a [Credential]);

impl Credentials<'_> {
    /// The text of a key that has to be there.
    ///
    /// # Errors
    /// It is not there, or no text.
    pub(crate) fn text(&self, selector: Option<&k8s::SecretKeySelector>) -> Result<Option<String>, Error> {
        let Some(selector) = selector else { return Ok(None) };
        let found = self.0.iter().find(|known| known.name == selector.name && known.key == selector.key);
        match found.map(|found| found.value.expose_text()) {
            Some(Some(text)) => Ok(Some(text.trim_end_matches('\n').to_owned())),
            Some(None) => Err(Error::Invalid(format!(
                "key {:?} of Secret {:?} is no UTF-8 text",
                selector.key, selector.name
            ))),
            None if selector.optional == Some(true) => Ok(None),
            None => Err(Error::Missing(format!(
                "there is no key {:?} of Secret {:?}",
                selector.key, selector.name
            ))),
        }
    }

    /// A variable of the engine that was handed on because the location asked for ambient credentials.
    pub(crate) fn ambient(&self, variable: &str) -> Option<String> {
        let found = self.0.iter().find(|known| known.name.is_empty() && known.key == variable)?;
        found.value.expose_text().map(str::to_owned)
    }
}

/// A driver, and the key that it knows an artifact by.
pub(crate) struct Located {
    pub(crate) driver: Rc<dyn Driver>,
    pub(crate) location: Location,
}

/// Drivers that are not part of this program.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outside<'a> {
    /// Those that may be called.
    pub(crate) drivers: &'a [ArtifactDriver],
    /// The directory in which files change hands; nothing where none are moved.
    pub(crate) exchange: Option<&'a Path>,
}

/// The stores of one attempt.
pub(crate) struct Stores<'a> {
    repository: &'a ArtifactRepository,
    credentials: Credentials<'a>,
    local: Option<Rc<dyn Driver>>,
    open: RefCell<BTreeMap<String, Rc<dyn Driver>>>,
    doors: Vec<Rc<Door>>,
    exchange: Option<Rc<Exchange>>,
}

impl<'a> Stores<'a> {
    /// Opens what must be opened before the private root is entered: the directory of this machine, if the
    /// attempt uses it, and the ways to drivers outside. Everything else is opened when it is needed.
    ///
    /// # Errors
    /// A directory cannot be opened.
    pub(crate) fn open(
        repository: &'a ArtifactRepository,
        credentials: &'a [Credential],
        used: bool,
        outside: Outside<'_>,
    ) -> Result<Self, Error> {
        let local = match repository {
            ArtifactRepository::Local { root } if used => {
                Some(Rc::new(LocalRepository::open(root)?) as Rc<dyn Driver>)
            }
            ArtifactRepository::Local { .. }
            | ArtifactRepository::Remote { .. }
            | ArtifactRepository::Ref { .. } => None,
        };
        let doors: Vec<Rc<Door>> = outside.drivers.iter().map(Door::find).map(Rc::new).collect();
        let exchange = outside.exchange.filter(|_| !doors.is_empty()).map(Exchange::open).transpose()?;
        Ok(Self {
            repository,
            credentials: Credentials(credentials),
            local,
            open: RefCell::default(),
            doors,
            exchange: exchange.map(Rc::new),
        })
    }

    /// Where an artifact is; nothing when it has no location.
    ///
    /// # Errors
    /// Its kind is not built in, or its store cannot be opened.
    pub(crate) fn locate(&self, artifact: &Artifact) -> Result<Option<Located>, Error> {
        locate(artifact, self.repository)?.map(|location| self.reach(location)).transpose()
    }

    /// A place in the repository.
    ///
    /// # Errors
    /// The repository cannot be opened.
    pub(crate) fn in_repository(&self, key: String) -> Result<Located, Error> {
        self.reach(in_repository(self.repository, key)?)
    }

    /// Whether a location lies in the repository of the workflow.
    pub(crate) fn is_repository(&self, location: &Location) -> bool {
        in_repository(self.repository, location.key().to_owned()).is_ok_and(|own| own == *location)
    }

    fn reach(&self, location: Location) -> Result<Located, Error> {
        if let Location::Local { .. } = &location {
            let none = || Error::Artifact("there is no artifact repository".into());
            return Ok(Located { driver: self.local.clone().ok_or_else(none)?, location });
        }
        let name = format!("{:?}", location.clone().with_key(String::new()));
        if let Some(driver) = self.open.borrow().get(&name) {
            return Ok(Located { driver: Rc::clone(driver), location });
        }
        let credentials = self.credentials;
        let driver: Rc<dyn Driver> = match &location {
            Location::S3(_) | Location::Gcs(_) | Location::Azure(_) => {
                Rc::new(object::ObjectStoreDriver::open(&location, credentials)?)
            }
            Location::Http(at) => Rc::new(web::WebDriver::http(at, credentials)?),
            Location::Artifactory(at) => Rc::new(web::WebDriver::artifactory(at, credentials)?),
            Location::Git(at) => Rc::new(git::GitDriver::open(at, credentials)?),
            Location::Plugin(at) => {
                let door = self.doors.iter().find(|door| door.is_of(&at.name)).cloned();
                let door = door.ok_or_else(|| ArtifactDriver::unknown(&at.name))?;
                Rc::new(PluginDriver::open(at, door, self.exchange.clone())?)
            }
            Location::Local { .. } => return Err(Error::Artifact("there is no artifact repository".into())),
        };
        self.open.borrow_mut().insert(name, Rc::clone(&driver));
        Ok(Located { driver, location })
    }
}
