-- Counters that say whether something moved, for who looks often: `manifests` moves with each that is put or removed.
CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value) VALUES ('manifests', 0);
