//! `calendar`: an event at each time of a schedule or after each interval. The id of a tick follows from source and time,
//! so it fires once however many processes look, and once for each missed tick with `persistence.catchup`.
//! Computes no times: `runner_sensors::schedule` does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use runner_sensors::duration;
use runner_sensors::schedule::Schedule;
use runner_sensors::spec::CalendarEventSource;
use runner_store::{Catalog, NewManifest};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{Origin, publish, store};
use crate::bus::Bus;

/// Kind of the manifests that remember the last tick.
const KIND: &str = "CalendarTick";
/// How often the clock is looked at.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(200);

/// A calendar.
#[derive(Debug)]
pub(super) struct Calendar {
    origin: Origin,
    schedule: Schedule,
    excluded: BTreeSet<Date>,
    metadata: BTreeMap<String, String>,
    /// How far back missed ticks are fired; none when they are not.
    catchup: Option<SignedDuration>,
}

impl Calendar {
    pub(super) fn new(source: &CalendarEventSource, origin: Origin) -> Result<Self, String> {
        // as in Argo Events the schedule wins; intervals count from 1970, so that all processes agree on them
        let text = match (source.schedule.as_str(), source.interval.as_str()) {
            ("", "") => return Err("calendar: neither schedule nor interval".to_owned()),
            ("", interval) => format!("@every {interval}"),
            (schedule, _) => schedule.to_owned(),
        };
        let schedule = Schedule::parse(&text, &source.timezone).map_err(|error| error.to_string())?;
        let persistence = source.persistence.as_ref().and_then(|persistence| persistence.catchup.as_ref());
        let catchup = match persistence.filter(|catchup| catchup.enabled) {
            None => None,
            Some(catchup) if catchup.max_duration.is_empty() => Some(SignedDuration::from_hours(24)),
            Some(catchup) => Some(duration::parse(&catchup.max_duration)?),
        };
        let excluded = source.exclusion_dates.iter().flat_map(|text| dates(text)).collect();
        Ok(Self { origin, schedule, excluded, metadata: source.metadata.clone(), catchup })
    }

    pub(super) async fn run(self, bus: Bus, news: Arc<Notify>) {
        let mut last = self.start(&bus).await;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = bus.now();
            // a clock that was set back: count from there
            last = last.min(now);
            while let Some(tick) =
                self.schedule.next_after(last, Timestamp::UNIX_EPOCH).filter(|at| *at <= now)
            {
                last = tick;
                if self.excluded.contains(&tick.to_zoned(self.schedule.zone().clone()).date()) {
                    continue;
                }
                let key = format!("tick {tick}");
                if let Some(event) = self.origin.event(self.data(tick), Some(key)) {
                    let _ours_as_well = publish(&bus, &news, event).await;
                }
                if self.catchup.is_some() {
                    self.remember(&bus, tick).await;
                }
            }
        }
    }

    fn data(&self, tick: Timestamp) -> Value {
        let mut data = json!({"eventTime": go_time(tick, &self.schedule)});
        if !self.metadata.is_empty() {
            data["metadata"] = json!(self.metadata);
        }
        data
    }

    /// The time after which ticks count: now, or with `catchup` the last tick that fired.
    async fn start(&self, bus: &Bus) -> Timestamp {
        let now = bus.now();
        let Some(most) = self.catchup else { return now };
        let name = self.name();
        let found = Catalog::get_manifest(store(bus), KIND, &self.origin.namespace, &name).await;
        let last = match found {
            Ok(found) => found.and_then(|found| serde_json::from_slice::<Timestamp>(&found.body).ok()),
            Err(error) => {
                tracing::warn!(calendar = name, %error, "its last tick is not known; it starts from now");
                None
            }
        };
        last.map_or(now, |last| last.max(now.checked_sub(most).unwrap_or(now)))
    }

    async fn remember(&self, bus: &Bus, tick: Timestamp) {
        let manifest = NewManifest {
            kind: KIND.to_owned(),
            namespace: self.origin.namespace.clone(),
            name: self.name(),
            body: json!(tick).to_string().into_bytes(),
            source: String::new(),
            at: bus.now(),
        };
        if let Err(error) = Catalog::put_manifest(store(bus), manifest).await {
            tracing::warn!(calendar = self.name(), %error, "its tick is not remembered");
        }
    }

    fn name(&self) -> String {
        format!("{}.{}", self.origin.source, self.origin.name)
    }
}

/// Days of `EXDATE:20260101T000000Z,…`; only the day counts, as in Argo Events.
fn dates(text: &str) -> Vec<Date> {
    let list = text.split_once(':').map_or(text, |(_, list)| list);
    let day = |part: &str| {
        let digits = part.trim().get(..8)?;
        Date::strptime("%Y%m%d", digits).ok()
    };
    list.split(',').filter_map(day).collect()
}

/// A time as Go prints it.
fn go_time(at: Timestamp, schedule: &Schedule) -> String {
    at.to_zoned(schedule.zone().clone()).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn exclusions_count_by_day() {
        let found = dates("EXDATE:20260101T120000Z,20261225T000000Z");
        let wanted = ["2026-01-01", "2026-12-25"].map(|day| day.parse::<Date>().unwrap());
        assert_eq!(found, wanted);
        assert!(dates("nothing").is_empty());
    }

    #[test]
    fn event_time_is_gos() {
        let schedule = Schedule::parse("0 8 * * 1-5", "Europe/Berlin").unwrap();
        let at = "2026-11-20T07:00:00Z".parse().unwrap();
        assert_eq!(go_time(at, &schedule), "2026-11-20 08:00:00 +0100 CET");
    }
}
