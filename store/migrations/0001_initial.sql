-- Streams: one row each, written at creation and when closed or reopened.
CREATE TABLE streams (
  id INTEGER PRIMARY KEY,
  stream TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  client_key TEXT,
  closed INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX streams_name ON streams (kind, namespace, name);

CREATE UNIQUE INDEX streams_client_key ON streams (kind, namespace, client_key) WHERE client_key IS NOT NULL;

CREATE INDEX streams_open ON streams (id) WHERE closed = 0;

-- The journal: narrow rows in the order in which they are appended.
CREATE TABLE journal (
  stream INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  kind TEXT NOT NULL,
  body BLOB NOT NULL,
  blob BLOB,
  PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX journal_blob ON journal (blob) WHERE blob IS NOT NULL;

-- Who may append. One row per stream; the owner is NULL when nobody does.
CREATE TABLE leases (
  stream INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  owner TEXT,
  until INTEGER
) STRICT;

CREATE INDEX leases_held ON leases (until) WHERE owner IS NOT NULL;

CREATE TABLE wakeups (
  stream INTEGER PRIMARY KEY,
  due_at INTEGER NOT NULL
) STRICT;

CREATE INDEX wakeups_due ON wakeups (due_at);

CREATE TABLE inbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  stream INTEGER NOT NULL,
  body BLOB NOT NULL,
  client_key TEXT,
  at INTEGER NOT NULL
) STRICT;

CREATE INDEX inbox_stream ON inbox (stream, id);

-- Outlives the command itself, so that a repeated post is recognized after the command was answered.
CREATE TABLE inbox_keys (
  stream INTEGER NOT NULL,
  client_key TEXT NOT NULL,
  id INTEGER NOT NULL,
  PRIMARY KEY (stream, client_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  pinned INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;

-- Projections: can be dropped and made again from the journal.
CREATE TABLE workflows (
  stream INTEGER PRIMARY KEY,
  uid TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  phase TEXT NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  as_of INTEGER NOT NULL,
  progress TEXT NOT NULL,
  message TEXT NOT NULL,
  labels TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT;

CREATE INDEX workflows_name ON workflows (namespace, name);

CREATE INDEX workflows_by_name ON workflows (name, uid);

CREATE INDEX workflows_created ON workflows (created_at, uid);

CREATE INDEX workflows_phase ON workflows (phase, created_at, uid);

CREATE INDEX workflows_finished ON workflows (finished_at, uid) WHERE finished_at IS NOT NULL;

CREATE TABLE nodes (
  stream INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  as_of INTEGER NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  display_name TEXT NOT NULL,
  node_type TEXT NOT NULL,
  template_name TEXT NOT NULL,
  boundary_id TEXT NOT NULL,
  phase TEXT NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  message TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (stream, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE manifests (
  kind TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  generation INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  body BLOB NOT NULL,
  source TEXT NOT NULL,
  PRIMARY KEY (kind, namespace, name)
) STRICT;

CREATE TABLE memo (
  cache TEXT NOT NULL,
  key TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_hit_at INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (cache, key)
) STRICT;

CREATE TABLE lock_holders (
  lock TEXT NOT NULL,
  holder TEXT NOT NULL,
  stream INTEGER NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (lock, holder)
) STRICT, WITHOUT ROWID;

CREATE INDEX lock_holders_stream ON lock_holders (stream, holder);

CREATE TABLE lock_waiters (
  lock TEXT NOT NULL,
  holder TEXT NOT NULL,
  stream INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (lock, holder)
) STRICT, WITHOUT ROWID;

CREATE INDEX lock_waiters_queue ON lock_waiters (lock, priority DESC, at, holder);

CREATE INDEX lock_waiters_stream ON lock_waiters (stream, holder);
