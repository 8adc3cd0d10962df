//! What every driver refuses before it writes anything: sizes, shapes, times it could not give back.
//! Deliberately checks nothing that depends on what is stored.

use jiff::Timestamp;

use crate::{
    Append, ClaimRequest, Epoch, Error, LockChange, NewCommand, NewManifest, NodeRow, Result, Seq, Wakeup,
    WorkflowRow, limits,
};

/// A time as drivers keep it: nanoseconds since 1970, years 1678 to 2261.
pub(crate) fn nanoseconds(at: Timestamp) -> Result<i64> {
    i64::try_from(at.as_nanosecond()).map_err(|_| Error::Invalid(format!("time {at} is out of range")))
}

/// The way back from [`nanoseconds`].
pub(crate) fn timestamp(nanoseconds: i64) -> Result<Timestamp> {
    Timestamp::from_nanosecond(i128::from(nanoseconds))
        .map_err(|e| Error::Corrupt(format!("stored time: {e}")))
}

/// `now + ttl`, refused when it leaves the range of times.
pub(crate) fn later(now: Timestamp, ttl: std::time::Duration) -> Result<Timestamp> {
    let out_of_range = |_| Error::Invalid(format!("{now} plus {ttl:?} is out of range"));
    let later = now.checked_add(ttl).map_err(out_of_range)?;
    nanoseconds(later)?;
    Ok(later)
}

/// A name-like string: not empty, not long, no NUL.
pub(crate) fn name(what: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(Error::Invalid(format!("{what} is empty")));
    }
    optional_name(what, text)
}

/// As [`name`], but may be empty.
pub(crate) fn optional_name(what: &str, text: &str) -> Result<()> {
    if text.len() > limits::NAME_MAX_BYTES {
        return Err(Error::Invalid(format!(
            "{what} has {} bytes, at most {}",
            text.len(),
            limits::NAME_MAX_BYTES
        )));
    }
    if text.contains('\0') {
        return Err(Error::Invalid(format!("{what} contains NUL")));
    }
    Ok(())
}

/// A body of opaque bytes.
pub(crate) fn body(what: &str, bytes: &[u8], max: usize) -> Result<()> {
    if bytes.len() > max {
        return Err(Error::Invalid(format!("{what} has {} bytes, at most {max}", bytes.len())));
    }
    Ok(())
}

/// The wanted number of rows, between 1 and `max`; 0 asks for the maximum.
pub(crate) fn limit(wanted: usize, max: usize) -> usize {
    if wanted == 0 { max } else { wanted.min(max) }
}

/// Everything about an append that can be told without looking at the store.
pub(crate) fn append(append: &Append) -> Result<()> {
    nanoseconds(append.at)?;
    if append.records.len() > limits::RECORDS_PER_APPEND_MAX {
        return Err(Error::Invalid(format!("{} records in one append", append.records.len())));
    }
    for record in &append.records {
        name("record kind", &record.kind)?;
        body("record body", &record.body, limits::BODY_MAX_BYTES)?;
    }
    if let Wakeup::At(at) = append.wakeup {
        nanoseconds(at)?;
    }
    if let Some(row) = &append.workflow {
        workflow_row(append.stream.key(), row)?;
    }
    let alone = append.create.is_none() && append.locks.is_empty() && append.nodes.is_empty();
    let bare = alone && append.workflow.is_none() && append.consumed.is_empty() && !append.closes;
    if append.afterword && !(bare && append.wakeup == Wakeup::Keep) {
        return Err(Error::Invalid("an afterword has records and nothing else".to_owned()));
    }
    append.nodes.iter().try_for_each(node_row)?;
    append.locks.iter().try_for_each(lock_change)?;
    create(append)
}

fn create(append: &Append) -> Result<()> {
    let Some(create) = &append.create else { return Ok(()) };
    name("namespace", &create.namespace)?;
    name("name", &create.name)?;
    if let Some(key) = &create.idempotency_key {
        name("idempotency key", key)?;
    }
    let first = match &create.lease {
        Some(lease) => {
            name("owner", &lease.owner)?;
            nanoseconds(lease.until)?;
            Epoch::FIRST
        }
        None => Epoch::ZERO,
    };
    if append.expected != Seq::ZERO || append.epoch != first {
        return Err(Error::Invalid(format!("a create starts at sequence 0 with epoch {}", first.0)));
    }
    if let Some(row) = &append.workflow
        && (row.namespace != create.namespace || row.name != create.name)
    {
        return Err(Error::Invalid("the row of a new workflow has another name".to_owned()));
    }
    Ok(())
}

/// A workflow row for the stream whose key is given.
pub(crate) fn workflow_row(key: &str, row: &WorkflowRow) -> Result<()> {
    if row.uid != key {
        return Err(Error::Invalid("the workflow row belongs to another stream".to_owned()));
    }
    name("namespace", &row.namespace)?;
    name("name", &row.name)?;
    optional_name("phase", &row.phase)?;
    optional_name("progress", &row.progress)?;
    body("workflow message", row.message.as_bytes(), limits::ROW_BODY_MAX_BYTES)?;
    body("workflow row", &row.body, limits::ROW_BODY_MAX_BYTES)?;
    nanoseconds(row.created_at)?;
    row.started_at.map(nanoseconds).transpose()?;
    row.finished_at.map(nanoseconds).transpose()?;
    Ok(())
}

/// A node row.
pub(crate) fn node_row(row: &NodeRow) -> Result<()> {
    body("node message", row.message.as_bytes(), limits::ROW_BODY_MAX_BYTES)?;
    body("node row", &row.body, limits::ROW_BODY_MAX_BYTES)?;
    row.started_at.map(nanoseconds).transpose()?;
    row.finished_at.map(nanoseconds).transpose()?;
    Ok(())
}

fn lock_change(change: &LockChange) -> Result<()> {
    match change {
        LockChange::Request { holder, locks, at, .. } => {
            name("lock holder", holder)?;
            nanoseconds(*at)?;
            locks.iter().try_for_each(|lock| name("lock", lock))
        }
        LockChange::Grant { holder, locks } => {
            name("lock holder", holder)?;
            locks.iter().try_for_each(|(lock, _)| name("lock", lock))
        }
        LockChange::Release { holder } => name("lock holder", holder),
    }
}

/// A claim.
pub(crate) fn claim(request: &ClaimRequest) -> Result<Timestamp> {
    name("owner", &request.owner)?;
    later(request.now, request.ttl)
}

/// A command.
pub(crate) fn command(command: &NewCommand) -> Result<()> {
    body("command", &command.body, limits::BODY_MAX_BYTES)?;
    nanoseconds(command.at)?;
    command.client_key.as_deref().map_or(Ok(()), |key| name("client key", key))
}

/// A manifest.
pub(crate) fn manifest(manifest: &NewManifest) -> Result<()> {
    name("kind", &manifest.kind)?;
    optional_name("namespace", &manifest.namespace)?;
    name("name", &manifest.name)?;
    body("manifest", &manifest.body, limits::BODY_MAX_BYTES)?;
    body("manifest source", manifest.source.as_bytes(), limits::BODY_MAX_BYTES)?;
    nanoseconds(manifest.at)?;
    Ok(())
}

/// A memo entry.
pub(crate) fn memo(cache: &str, key: &str, bytes: &[u8], at: Timestamp) -> Result<()> {
    name("cache", cache)?;
    name("cache key", key)?;
    body("cache entry", bytes, limits::BODY_MAX_BYTES)?;
    nanoseconds(at)?;
    Ok(())
}
