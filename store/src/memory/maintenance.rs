//! Maintenance of the memory driver.
//! Deliberately cannot back up to a file: there is nothing durable to copy.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;

use super::MemoryStore;
use super::state::{State, Stream};
use crate::{
    BoxFuture, Error, Maintenance, Projection, Result, StreamId, StreamInfo, StreamProblem, VerifyReport,
    limits, validate,
};

fn info(id: &StreamId, stream: &Stream) -> StreamInfo {
    StreamInfo {
        stream: id.clone(),
        last_seq: stream.last_seq(),
        epoch: stream.epoch,
        owner: stream.lease.as_ref().map(|(owner, _)| owner.clone()),
        until: stream.lease.as_ref().map(|(_, until)| *until),
        closed: stream.closed,
        due_at: stream.due_at,
    }
}

impl Maintenance for MemoryStore {
    fn streams<'a>(
        &'a self,
        after: Option<&'a StreamId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<StreamInfo>>> {
        self.view(|state| {
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let limit = validate::limit(limit, limits::PAGE_MAX_ROWS);
            let streams = state.streams.range::<StreamId, _>((from, Bound::Unbounded));
            Ok(streams.take(limit).map(|(id, stream)| info(id, stream)).collect())
        })
    }

    fn stream<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<StreamInfo>>> {
        self.view(|state| Ok(state.streams.get(stream).map(|found| info(stream, found))))
    }

    fn owners(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        self.view(|state| {
            let open = state.streams.values().filter(|s| !s.closed);
            let mut owners: Vec<String> =
                open.filter_map(|s| s.lease.as_ref()).map(|(owner, _)| owner.clone()).collect();
            owners.sort();
            owners.dedup();
            Ok(owners)
        })
    }

    fn verify(&self) -> BoxFuture<'_, Result<VerifyReport>> {
        self.view(|state| Ok(state.verify()))
    }

    fn projection<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Projection>>> {
        self.view(|state| {
            let Some(found) = state.streams.get(stream) else { return Ok(None) };
            Ok(found.row.clone().map(|workflow| Projection {
                as_of: workflow.as_of,
                workflow,
                nodes: found.nodes.values().cloned().collect(),
            }))
        })
    }

    fn rebuild<'a>(&'a self, stream: &'a StreamId, projection: Projection) -> BoxFuture<'a, Result<()>> {
        self.commit(|state| state.rebuild(stream, projection))
    }

    fn backup<'a>(&'a self, _target: &'a Path) -> BoxFuture<'a, Result<()>> {
        let refusal = Error::Invalid("a store in memory has nothing to back up".to_owned());
        Box::pin(std::future::ready(Err(refusal)))
    }

    fn shutdown(&self) -> BoxFuture<'_, Result<()>> {
        self.lock().shut_down = true;
        Box::pin(std::future::ready(Ok(())))
    }
}

impl State {
    fn verify(&self) -> VerifyReport {
        let mut report = VerifyReport { blobs: self.blobs.len() as u64, ..VerifyReport::default() };
        for (id, stream) in &self.streams {
            report.streams += 1;
            report.records += stream.records.len() as u64;
            let gap_free = stream.records.iter().zip(1..).all(|(record, seq)| record.seq.0 == seq);
            let ahead = stream.row.as_ref().is_some_and(|row| row.as_of > stream.last_seq());
            for (wrong, problem) in [(!gap_free, "gap in the sequence"), (ahead, "projection is ahead")] {
                if wrong {
                    report
                        .problems
                        .push(StreamProblem { stream: id.to_string(), problem: problem.to_owned() });
                }
            }
        }
        report
    }

    fn rebuild(&mut self, stream: &StreamId, projection: Projection) -> Result<()> {
        validate::workflow_row(stream.key(), &projection.workflow)?;
        projection.nodes.iter().try_for_each(validate::node_row)?;
        let actual = self.known(stream)?.last_seq();
        if actual != projection.as_of {
            return Err(Error::SeqConflict { stream: stream.clone(), actual });
        }
        if let Some(found) = self.streams.get_mut(stream) {
            let Projection { as_of, workflow, nodes } = projection;
            found.row = Some(crate::WorkflowRow { as_of, ..workflow });
            found.nodes = nodes
                .into_iter()
                .map(|n| (n.ordinal, crate::NodeRow { as_of, ..n }))
                .collect::<BTreeMap<_, _>>();
        }
        Ok(())
    }
}
