//! `file`: what appears, changes and disappears in a directory. Looks twice a second; not below it, as in Argo Events.
//! Reads no file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use runner_sensors::spec::FileEventSource;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{Origin, publish};
use crate::bus::Bus;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Files of a directory that are looked at.
const FILES: usize = 10_000;

/// Size and time of change.
type Mark = (u64, Option<SystemTime>);

/// A directory that is watched.
#[derive(Debug)]
pub(super) struct Watch {
    origin: Origin,
    directory: PathBuf,
    wanted: Wanted,
    /// `CREATE`, `WRITE`, `REMOVE`; empty for all.
    operation: String,
    metadata: BTreeMap<String, String>,
}

#[derive(Debug)]
enum Wanted {
    Name(String),
    Pattern(regex::Regex),
}

impl Watch {
    pub(super) fn new(source: &FileEventSource, origin: Origin) -> Result<Self, String> {
        let config = source.watch_path_config.as_ref().ok_or("file: watchPathConfig is missing")?;
        if config.directory.is_empty() {
            return Err("file: watchPathConfig.directory is missing".to_owned());
        }
        let wanted = match (config.path.as_str(), config.path_regexp.as_str()) {
            ("", "") => return Err("file: watchPathConfig needs path or pathRegexp".to_owned()),
            ("", pattern) => Wanted::Pattern(
                regex::Regex::new(pattern).map_err(|error| format!("file: pathRegexp: {error}"))?,
            ),
            (name, _) => Wanted::Name(name.to_owned()),
        };
        Ok(Self {
            origin,
            directory: PathBuf::from(&config.directory),
            wanted,
            operation: source.event_type.to_ascii_uppercase(),
            metadata: source.metadata.clone(),
        })
    }

    pub(super) async fn run(self, bus: Bus, news: Arc<Notify>) {
        let mut before = self.look();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.look();
            for (name, mark) in &now {
                match before.get(name) {
                    None => self.say(&bus, &news, name, "CREATE", Some(*mark)).await,
                    Some(old) if old != mark => self.say(&bus, &news, name, "WRITE", Some(*mark)).await,
                    Some(_) => {}
                }
            }
            for name in before.keys().filter(|name| !now.contains_key(*name)) {
                self.say(&bus, &news, name, "REMOVE", None).await;
            }
            before = now;
        }
    }

    fn look(&self) -> BTreeMap<String, Mark> {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return BTreeMap::new() };
        let named = entries.take(FILES).filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let wanted = match &self.wanted {
                Wanted::Name(wanted) => *wanted == name,
                Wanted::Pattern(pattern) => pattern.is_match(&name),
            };
            let about = entry.metadata().ok()?;
            (wanted && about.is_file()).then(|| (name, (about.len(), about.modified().ok())))
        });
        named.collect()
    }

    async fn say(&self, bus: &Bus, news: &Notify, name: &str, operation: &str, mark: Option<Mark>) {
        if !self.operation.is_empty() && self.operation != operation {
            return;
        }
        let path = self.directory.join(name);
        // two processes that watch see the same change; a removal has no mark of its own
        let key = mark.map(|(size, time)| {
            let time =
                time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default();
            format!("{operation} {} {size} {}", path.display(), time.as_nanos())
        });
        if let Some(event) = self.origin.event(self.data(&path, operation), key) {
            let _ours_as_well = publish(bus, news, event).await;
        }
    }

    fn data(&self, path: &Path, operation: &str) -> Value {
        let bit = match operation {
            "CREATE" => 1,
            "WRITE" => 2,
            _ => 4,
        };
        let mut data = json!({"name": path.display().to_string(), "op": bit});
        if !self.metadata.is_empty() {
            data["metadata"] = json!(self.metadata);
        }
        data
    }
}
