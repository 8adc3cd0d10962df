//! All endpoints of a process by port and path, and what must not be: two at one place.
//! Opens nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::endpoint::Endpoint;

/// Endpoints by where they are reached.
#[derive(Clone, Debug, Default)]
pub struct Table {
    all: Vec<Arc<Endpoint>>,
    canonical: BTreeMap<String, usize>,
}

/// Two endpoints at one place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{first} and {second} both listen on port {port} at {path}: give one of them another port or endpoint; \
     each is also reached at its own path /events/NAMESPACE/SOURCE/EVENT"
)]
pub struct Collision {
    /// The one that stays.
    pub first: String,
    /// The one that is in the way.
    pub second: String,
    /// Port.
    pub port: u16,
    /// Path.
    pub path: String,
}

impl Table {
    /// A table.
    ///
    /// # Errors
    /// Every pair that would be reached at the same port and path.
    pub fn new(endpoints: Vec<Endpoint>) -> Result<Self, Vec<Collision>> {
        let mut table = Self::default();
        let mut collisions = Vec::new();
        let shape = |endpoint: &Endpoint| {
            let any = |part: &str| {
                if part.starts_with('{') && part.ends_with('}') { "{}".to_owned() } else { part.to_owned() }
            };
            let path: Vec<String> = endpoint.path.split('/').map(any).collect();
            endpoint.port.map(|port| (port, path.join("/")))
        };
        let mut places: BTreeMap<(u16, String), String> = BTreeMap::new();
        for endpoint in endpoints {
            let name = format!("{}/{} event {}", endpoint.namespace, endpoint.source, endpoint.name);
            if let Some(place) = shape(&endpoint) {
                match places.get(&place) {
                    Some(first) => collisions.push(Collision {
                        first: first.clone(),
                        second: name,
                        port: place.0,
                        path: endpoint.path.clone(),
                    }),
                    None => drop(places.insert(place, name)),
                }
            }
            table.canonical.insert(endpoint.canonical(), table.all.len());
            table.all.push(Arc::new(endpoint));
        }
        if collisions.is_empty() { Ok(table) } else { Err(collisions) }
    }

    /// All endpoints.
    #[must_use]
    pub fn all(&self) -> &[Arc<Endpoint>] {
        &self.all
    }

    /// Ports that are needed, each with whether and how it speaks TLS: all of a port do when one of them does.
    #[must_use]
    pub fn ports(&self) -> BTreeMap<u16, Option<super::endpoint::Tls>> {
        let mut ports = BTreeMap::new();
        for endpoint in &self.all {
            if let Some(port) = endpoint.port {
                let tls = ports.entry(port).or_insert(None);
                if tls.is_none() {
                    tls.clone_from(&endpoint.tls);
                }
            }
        }
        ports
    }

    /// Who is reached at a path of a port; of several the one with the most literal path.
    #[must_use]
    pub fn at(&self, port: u16, path: &str) -> Option<Arc<Endpoint>> {
        let here = self.all.iter().filter(|endpoint| endpoint.port == Some(port) && endpoint.takes(path));
        here.min_by_key(|endpoint| endpoint.path.matches('{').count()).cloned()
    }

    /// Who is reached at a canonical path.
    #[must_use]
    pub fn canonical(&self, path: &str) -> Option<Arc<Endpoint>> {
        self.canonical.get(path).and_then(|place| self.all.get(*place)).cloned()
    }
}
