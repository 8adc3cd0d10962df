//! Ids of events from the latest on, without reading those that nobody asks for: ids sort by time, so a span of time is a
//! range of ids, and a span with too many of them is halved.
//! Reads no event.

use runner_store::{Maintenance, StreamId, StreamInfo};

use super::{Bus, Result};

/// Streams that are looked at at once.
const PAGE: usize = 1000;
/// Milliseconds that an id can hold: 48 bits.
const END_MS: u64 = 1 << 48;

/// A walk from the latest event back.
#[derive(Debug)]
pub(super) struct Back<'a> {
    bus: &'a Bus,
    /// Kind of the streams: those of events, or their marks.
    kind: &'static str,
    /// Spans that were not looked at, the latest at the end: from and until, milliseconds of ids.
    spans: Vec<(u64, u64)>,
    /// Where the whole walk ends.
    first: StreamId,
}

impl<'a> Back<'a> {
    /// From the latest event to those of a time, in milliseconds of the epoch; `now_ms` says where most of them are.
    pub(super) fn new(bus: &'a Bus, kind: &'static str, since_ms: u64, now_ms: u64) -> Result<Self> {
        let since = since_ms.min(END_MS - 1);
        // an id may be a little ahead of the clock, and clocks are set back; there is next to nothing
        let ahead = now_ms.saturating_add(2000).clamp(since, END_MS);
        let first = if since == 0 { of(kind, "0")? } else { before(kind, since)? };
        Ok(Self { bus, kind, spans: vec![(since, ahead), (ahead, END_MS)], first })
    }

    /// The next ids, the latest first; none at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<StreamInfo>> {
        while let Some((from, until)) = self.spans.pop() {
            if from >= until {
                continue;
            }
            let mut found = self.page(&self.after(from)?, until).await?;
            if found.len() == PAGE && until - from > 1 {
                // the page says where the rest of the span begins
                let begin =
                    found.first().map_or(from, |info| milliseconds(&info.stream).clamp(from, until - 1));
                let middle = begin + (until - begin).div_ceil(2);
                self.spans.extend([(from, middle.min(until - 1)), (middle.min(until - 1), until)]);
                continue;
            }
            let mut last = found.len();
            while last == PAGE {
                // one millisecond, or ids that have no time: all of them
                let Some(after) = found.last().map(|info| info.stream.clone()) else { break };
                let more = self.page(&after, until).await?;
                last = more.len();
                found.extend(more);
            }
            if !found.is_empty() {
                found.reverse();
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// The stream after which a span begins.
    fn after(&self, from_ms: u64) -> Result<StreamId> {
        let begin = if from_ms == 0 { of(self.kind, "0")? } else { before(self.kind, from_ms)? };
        Ok(begin.max(self.first.clone()))
    }

    async fn page(&self, after: &StreamId, until_ms: u64) -> Result<Vec<StreamInfo>> {
        let end = (until_ms < END_MS).then(|| before(self.kind, until_ms)).transpose()?;
        let page = Maintenance::streams(self.bus.store().as_ref(), Some(after), PAGE).await?;
        let inside = |info: &StreamInfo| {
            info.stream.kind() == self.kind && end.as_ref().is_none_or(|end| info.stream <= *end)
        };
        Ok(page.into_iter().take_while(inside).collect())
    }
}

fn of(kind: &str, id: &str) -> Result<StreamId> {
    Ok(StreamId::parse(&format!("{kind}/{id}"))?)
}

/// The largest id of the millisecond before.
pub(super) fn before(kind: &str, milliseconds: u64) -> Result<StreamId> {
    let milliseconds = milliseconds.saturating_sub(1) & (END_MS - 1);
    let (high, low) = (milliseconds >> 16, milliseconds & 0xFFFF);
    of(kind, &format!("{high:08x}-{low:04x}-ffff-ffff-ffffffffffff"))
}

fn milliseconds(stream: &StreamId) -> u64 {
    uuid::Uuid::parse_str(stream.key()).map_or(0, |id| u64::try_from(id.as_u128() >> 80).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use jiff::Timestamp;
    use runner_controller::{SystemClock, SystemIds};
    use runner_store::{Append, Create, Epoch, Journal, MemoryStore, NewRecord, Seq};

    use super::super::{STREAM_KIND, stream};
    use super::*;

    /// A bus with events at these milliseconds, and with streams of other kinds before and behind.
    async fn bus(times: &[u64]) -> (Bus, Vec<String>) {
        let store = Arc::new(MemoryStore::new());
        let mut ids: Vec<String> = Vec::new();
        for (number, time) in times.iter().enumerate() {
            let bits = u128::from(*time) << 80 | 0x7 << 76 | 0x8 << 60 | u128::try_from(number).unwrap();
            ids.push(uuid::Uuid::from_u128(bits).to_string());
        }
        let streams = ids.iter().map(|id| stream(id).unwrap());
        let others = ["cron/a/b", "sensor/a/b", "workflow/a"].map(|text| StreamId::parse(text).unwrap());
        for stream in streams.chain(others) {
            let record = NewRecord { kind: "x".to_owned(), body: Vec::new() };
            let mut append =
                Append::new(stream.clone(), Epoch::ZERO, Seq::ZERO, Timestamp::UNIX_EPOCH, vec![record]);
            append.create = Some(Create {
                namespace: "n".to_owned(),
                name: stream.to_string(),
                idempotency_key: None,
                lease: None,
            });
            Journal::append(store.as_ref(), append).await.unwrap();
        }
        ids.sort();
        ids.reverse();
        (Bus::new(store, Arc::new(SystemClock), Arc::new(SystemIds)), ids)
    }

    async fn walk(bus: &Bus, since_ms: u64, now_ms: u64) -> Vec<String> {
        let mut back = Back::new(bus, STREAM_KIND, since_ms, now_ms).unwrap();
        let mut all = Vec::new();
        loop {
            let page = back.next().await.unwrap();
            if page.is_empty() {
                return all;
            }
            all.extend(page.into_iter().map(|info| info.stream.key().to_owned()));
        }
    }

    #[tokio::test]
    async fn every_event_comes_once_and_the_latest_first() {
        let day = 86_400_000;
        let spread: Vec<u64> = (0..2500).map(|at| 100 * day + at * 7919).collect();
        let burst: Vec<u64> = (0..2500).map(|at| 100 * day + at % 2).collect();
        let ends: Vec<u64> = [0, 1, 2, END_MS - 1, END_MS - 2, 100 * day].into();
        for times in [spread, burst, ends, Vec::new()] {
            let (bus, ids) = bus(&times).await;
            for now in [0, 50 * day, 100 * day, 101 * day, 200 * day] {
                assert_eq!(walk(&bus, 0, now).await, ids, "seen from {now}");
            }
            let since = 100 * day + 1;
            let later =
                ids.iter().filter(|id| id.as_str() >= before(STREAM_KIND, since).unwrap().key()).cloned();
            assert_eq!(walk(&bus, since, 101 * day).await, later.collect::<Vec<_>>());
        }
    }
}
