//! Judges a run of appends inside the writing transaction and collects what has to be written.
//! Deliberately writes nothing itself: an append that fails here has left no trace.

use std::collections::BTreeMap;

use sqlx::{Row as _, SqliteConnection};

use crate::{
    Append, Appended, Create, Digest, Epoch, Error, NewRecord, NodeRow, Result, Seq, StreamId, Wakeup,
    WorkflowRow, fingerprint, limits, validate,
};

/// What the database (and the appends before this one) say about a stream.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) id: i64,
    last_seq: u64,
    epoch: u64,
    is_leased: bool,
    is_closed: bool,
    is_due: bool,
    phase: Option<String>,
}

/// A stream to be inserted.
pub(super) struct NewStream<'a> {
    pub(super) id: i64,
    pub(super) stream: &'a StreamId,
    pub(super) create: &'a Create,
}

/// A journal row to be inserted.
pub(super) struct NewRow<'a> {
    pub(super) stream: i64,
    pub(super) seq: i64,
    pub(super) at: i64,
    pub(super) checksum: u32,
    pub(super) record: &'a NewRecord,
    /// Present when the body goes to `blobs`.
    pub(super) blob: Option<Digest>,
}

/// A workflow row to be upserted.
pub(super) struct RowChange<'a> {
    pub(super) row: &'a WorkflowRow,
    pub(super) as_of: i64,
    /// Unchanged phases are left out of the statement, so that their index is not written.
    pub(super) phase_changes: bool,
}

type NameKey<'a> = (&'a str, &'a str, &'a str);

/// Everything a run of appends writes, in the order of its keys.
#[derive(Default)]
pub(super) struct Plan<'a> {
    heads: BTreeMap<&'a str, Head>,
    names: BTreeMap<(String, String, String), StreamId>,
    keys: BTreeMap<(String, String, String), StreamId>,
    next_id: i64,
    pub(super) streams: Vec<NewStream<'a>>,
    pub(super) records: Vec<NewRow<'a>>,
    pub(super) workflows: BTreeMap<i64, RowChange<'a>>,
    pub(super) nodes: BTreeMap<(i64, u32), (&'a NodeRow, i64)>,
    /// When streams wake up, with their kinds; none when they do not any more.
    pub(super) wakeups: BTreeMap<i64, Option<(i64, &'a str)>>,
    pub(super) consumed: Vec<(i64, i64)>,
    pub(super) closed: Vec<i64>,
}

/// What an append may do.
pub(super) enum Verdict {
    /// Write, into the stream with this row id.
    Go(i64),
    /// Answer this and write nothing.
    Answer(Appended),
}

macro_rules! heads {
    () => {
        "SELECT s.stream, s.id, coalesce(l.epoch, 0) AS epoch, l.owner IS NOT NULL AS leased, s.closed, \
         coalesce((SELECT max(j.seq) FROM journal j WHERE j.stream = s.id), 0) AS last_seq, \
         w.due_at IS NOT NULL AS due, p.phase \
         FROM json_each(?1) n JOIN streams s ON s.stream = n.value LEFT JOIN leases l ON l.stream = s.id \
         LEFT JOIN wakeups w ON w.stream = s.id LEFT JOIN workflows p ON p.stream = s.id"
    };
}
const HEADS: &str = heads!();
/// Each trip to SQLite's thread costs as much as a small statement, so the transaction begins with its first one.
const BEGIN_AND_HEADS: &str = concat!("BEGIN IMMEDIATE; ", heads!());

const NAMES: &str = "SELECT s.kind, s.namespace, s.name, s.stream FROM json_each(?1) n \
     JOIN streams s ON s.kind = n.value ->> 0 AND s.namespace = n.value ->> 1 AND s.name = n.value ->> 2";

const KEYS: &str = "SELECT s.kind, s.namespace, s.client_key, s.stream FROM json_each(?1) n \
     JOIN streams s ON s.kind = n.value ->> 0 AND s.namespace = n.value ->> 1 AND s.client_key = n.value ->> 2";

/// A JSON array as a bound parameter: the statement stays the same for any number of values.
pub(super) fn json<T: Into<serde_json::Value>>(values: impl IntoIterator<Item = T>) -> String {
    serde_json::Value::Array(values.into_iter().map(Into::into).collect()).to_string()
}

fn json_keys<'a>(keys: impl Iterator<Item = NameKey<'a>>) -> String {
    json(keys.map(|(a, b, c)| vec![a, b, c]))
}

impl<'a> Plan<'a> {
    /// Reads what the checks need, after beginning the transaction if asked to. The write lock is held from then
    /// on, so it stays true until the commit.
    pub(super) async fn load(
        connection: &mut SqliteConnection,
        appends: &[&'a Append],
        begin: bool,
    ) -> sqlx::Result<Plan<'a>> {
        let mut plan = Plan::default();
        let mut names: Vec<&'a str> = appends.iter().map(|a| a.stream.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let rows = sqlx::query(if begin { BEGIN_AND_HEADS } else { HEADS })
            .bind(json(names.iter().copied()))
            .fetch_all(&mut *connection)
            .await?;
        let mut found: BTreeMap<String, Head> = BTreeMap::new();
        for row in rows {
            let head = Head {
                id: row.try_get("id")?,
                last_seq: row.try_get::<i64, _>("last_seq")?.cast_unsigned(),
                epoch: row.try_get::<i64, _>("epoch")?.cast_unsigned(),
                is_leased: row.try_get("leased")?,
                is_closed: row.try_get("closed")?,
                is_due: row.try_get("due")?,
                phase: row.try_get("phase")?,
            };
            found.insert(row.try_get("stream")?, head);
        }
        plan.heads =
            names.into_iter().filter_map(|name| found.remove(name).map(|head| (name, head))).collect();
        if appends.iter().any(|append| append.create.is_some()) {
            plan.load_conflicts(connection, appends).await?;
        }
        Ok(plan)
    }

    async fn load_conflicts(
        &mut self,
        connection: &mut SqliteConnection,
        appends: &[&'a Append],
    ) -> sqlx::Result<()> {
        let creates = || appends.iter().filter_map(|a| a.create.as_ref().map(|c| (a.stream.kind(), c)));
        let names = json_keys(creates().map(|(kind, c)| (kind, c.namespace.as_str(), c.name.as_str())));
        self.names = taken(connection, NAMES, names).await?;
        let with_key = creates().filter_map(|(kind, c)| Some((kind, c, c.idempotency_key.as_deref()?)));
        let keys: Vec<NameKey<'_>> =
            with_key.map(|(kind, c, key)| (kind, c.namespace.as_str(), key)).collect();
        if !keys.is_empty() {
            self.keys = taken(connection, KEYS, json_keys(keys.into_iter())).await?;
        }
        self.next_id = sqlx::query_scalar("SELECT coalesce(max(id), 0) + 1 FROM streams")
            .fetch_one(&mut *connection)
            .await?;
        Ok(())
    }

    /// How many rows it adds.
    pub(super) fn rows(&self) -> usize {
        self.streams.len() + self.records.len() + self.workflows.len() + self.nodes.len() + self.closed.len()
    }

    /// Whether the append may be written after the ones planned so far.
    pub(super) fn check(&self, append: &Append) -> Result<Verdict> {
        let head = self.heads.get(append.stream.as_str());
        let conflict =
            |head: &Head| Error::SeqConflict { stream: append.stream.clone(), actual: Seq(head.last_seq) };
        if let Some(create) = &append.create {
            let key =
                |text: &str| (append.stream.kind().to_owned(), create.namespace.clone(), text.to_owned());
            if let Some(earlier) = create.idempotency_key.as_ref().and_then(|k| self.keys.get(&key(k))) {
                return Ok(Verdict::Answer(Appended::Exists { stream: earlier.clone() }));
            }
            if let Some(head) = head {
                return Err(conflict(head));
            }
            return match self.names.get(&key(&create.name)) {
                None => Ok(Verdict::Go(self.next_id)),
                Some(stream) => Err(Error::NameTaken {
                    namespace: create.namespace.clone(),
                    name: create.name.clone(),
                    stream: stream.clone(),
                }),
            };
        }
        let head = head.ok_or_else(|| Error::NotFound(append.stream.to_string()))?;
        let held = head.is_leased && head.epoch == append.epoch.0;
        let may = if append.afterword { head.is_closed } else { held };
        if !may {
            let (stream, given) = (append.stream.clone(), append.epoch.0);
            return Err(Error::StaleEpoch { stream, given, current: head.epoch });
        }
        if head.last_seq == append.expected.0 { Ok(Verdict::Go(head.id)) } else { Err(conflict(head)) }
    }

    /// Adds an append that passed [`Self::check`] (and whose locks were changed, if it had any).
    pub(super) fn add(&mut self, append: &'a Append) -> Result<Seq> {
        let mut head = match self.heads.remove(append.stream.as_str()) {
            Some(head) => head,
            None => self.create(append)?,
        };
        let at = validate::nanoseconds(append.at)?;
        for record in &append.records {
            head.last_seq += 1;
            let body = record.body.as_slice();
            let checksum =
                fingerprint::of_record(append.stream.as_str(), head.last_seq, &record.kind, at, body);
            let blob = (body.len() > limits::INLINE_BODY_MAX_BYTES).then(|| Digest::of(body));
            let seq = head.last_seq.cast_signed();
            self.records.push(NewRow { stream: head.id, seq, at, checksum, record, blob });
        }
        let as_of = head.last_seq.cast_signed();
        if let Some(row) = &append.workflow {
            let earlier = self.workflows.get(&head.id).is_some_and(|change| change.phase_changes);
            let phase_changes = earlier || head.phase.as_ref() != Some(&row.phase);
            head.phase = Some(row.phase.clone());
            self.workflows.insert(head.id, RowChange { row, as_of, phase_changes });
        }
        for node in &append.nodes {
            self.nodes.insert((head.id, node.ordinal), (node, as_of));
        }
        match append.wakeup {
            Wakeup::Keep => {}
            Wakeup::Clear if !head.is_due => {}
            Wakeup::Clear => {
                head.is_due = false;
                self.wakeups.insert(head.id, None);
            }
            Wakeup::At(at) => {
                head.is_due = true;
                let due = (validate::nanoseconds(at)?, append.stream.kind());
                self.wakeups.insert(head.id, Some(due));
            }
        }
        self.consumed.extend(append.consumed.iter().map(|command| (head.id, command.0.cast_signed())));
        if append.closes {
            (head.is_leased, head.is_closed, head.is_due) = (false, true, false);
            self.wakeups.remove(&head.id);
            self.closed.push(head.id);
        }
        let last = Seq(head.last_seq);
        self.heads.insert(append.stream.as_str(), head);
        Ok(last)
    }

    fn create(&mut self, append: &'a Append) -> Result<Head> {
        let create = append.create.as_ref().ok_or_else(|| Error::NotFound(append.stream.to_string()))?;
        let stream = &append.stream;
        let key = |text: &str| (stream.kind().to_owned(), create.namespace.clone(), text.to_owned());
        self.names.insert(key(&create.name), stream.clone());
        if let Some(text) = &create.idempotency_key {
            self.keys.insert(key(text), stream.clone());
        }
        let id = self.next_id;
        self.next_id += 1;
        self.streams.push(NewStream { id, stream, create });
        let is_leased = create.lease.is_some();
        let epoch = if is_leased { Epoch::FIRST.0 } else { Epoch::ZERO.0 };
        Ok(Head { id, last_seq: 0, epoch, is_leased, is_closed: false, is_due: false, phase: None })
    }
}

async fn taken(
    connection: &mut SqliteConnection,
    sql: &'static str,
    keys: String,
) -> sqlx::Result<BTreeMap<(String, String, String), StreamId>> {
    let rows: Vec<(String, String, String, String)> =
        sqlx::query_as(sql).bind(keys).fetch_all(connection).await?;
    rows.into_iter()
        .map(|(kind, namespace, name, stream)| {
            let stream = StreamId::parse(&stream).map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
            Ok(((kind, namespace, name), stream))
        })
        .collect()
}
