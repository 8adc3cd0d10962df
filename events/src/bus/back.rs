//! Ids of events from the latest on, without reading those that nobody asks for: ids sort by time, so a span of time is a
//! range of ids, and a span with too many of them is halved.
//! Reads no event.

use runner_store::{Maintenance, StreamId, StreamInfo};

use super::{Bus, Result, STREAM_KIND, stream};

/// Streams that are looked at at once.
const PAGE: usize = 1000;
/// Milliseconds that an id can hold: 48 bits.
const END_MS: u64 = 1 << 48;

/// A walk from the latest event back.
#[derive(Debug)]
pub(super) struct Back<'a> {
    bus: &'a Bus,
    /// Spans that were not looked at, the latest at the end: from and until, milliseconds of ids.
    spans: Vec<(u64, u64)>,
    /// Where the whole walk ends.
    first: StreamId,
}

impl<'a> Back<'a> {
    /// From the latest event to those of a time, in milliseconds of the epoch; `now_ms` says where most of them are.
    pub(super) fn new(bus: &'a Bus, since_ms: u64, now_ms: u64) -> Result<Self> {
        let since = since_ms.min(END_MS - 1);
        // an id may be a little ahead of the clock, and clocks are set back; there is next to nothing
        let ahead = now_ms.saturating_add(2000).clamp(since, END_MS);
        let first = if since == 0 { stream("0")? } else { before(since)? };
        Ok(Self { bus, spans: vec![(since, ahead), (ahead, END_MS)], first })
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
        let begin = if from_ms == 0 { stream("0")? } else { before(from_ms)? };
        Ok(begin.max(self.first.clone()))
    }

    async fn page(&self, after: &StreamId, until_ms: u64) -> Result<Vec<StreamInfo>> {
        let end = (until_ms < END_MS).then(|| before(until_ms)).transpose()?;
        let page = Maintenance::streams(self.bus.store().as_ref(), Some(after), PAGE).await?;
        let inside = |info: &StreamInfo| {
            info.stream.kind() == STREAM_KIND && end.as_ref().is_none_or(|end| info.stream <= *end)
        };
        Ok(page.into_iter().take_while(inside).collect())
    }
}

/// The largest id of the millisecond before.
pub(super) fn before(milliseconds: u64) -> Result<StreamId> {
    let milliseconds = milliseconds.saturating_sub(1) & (END_MS - 1);
    let (high, low) = (milliseconds >> 16, milliseconds & 0xFFFF);
    stream(&format!("{high:08x}-{low:04x}-ffff-ffff-ffffffffffff"))
}

fn milliseconds(stream: &StreamId) -> u64 {
    uuid::Uuid::parse_str(stream.key()).map_or(0, |id| u64::try_from(id.as_u128() >> 80).unwrap_or(0))
}
