-- Labels by value, in the order of lists. Maintained by triggers, so that no writer can forget it.
-- The two labels that follow the phase are not in it: they would be rewritten with every change of it.
CREATE TABLE workflow_labels (
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  uid TEXT NOT NULL,
  stream INTEGER NOT NULL,
  PRIMARY KEY (key, value, created_at, uid)
) STRICT, WITHOUT ROWID;

INSERT INTO workflow_labels SELECT l.key, l.value, w.created_at, w.uid, w.stream FROM workflows w, json_each(w.labels) l WHERE l.key NOT IN ('workflows.argoproj.io/phase', 'workflows.argoproj.io/completed');

CREATE TRIGGER workflow_labels_insert AFTER INSERT ON workflows WHEN new.labels <> '{}' BEGIN INSERT OR REPLACE INTO workflow_labels SELECT l.key, l.value, new.created_at, new.uid, new.stream FROM json_each(new.labels) l WHERE l.key NOT IN ('workflows.argoproj.io/phase', 'workflows.argoproj.io/completed'); END;

CREATE TRIGGER workflow_labels_update AFTER UPDATE OF labels ON workflows WHEN new.labels <> old.labels BEGIN DELETE FROM workflow_labels WHERE (key, value, created_at, uid) IN (SELECT l.key, l.value, old.created_at, old.uid FROM json_each(old.labels) l WHERE NOT EXISTS (SELECT 1 FROM json_each(new.labels) n WHERE n.key = l.key AND n.value = l.value)); INSERT OR REPLACE INTO workflow_labels SELECT n.key, n.value, new.created_at, new.uid, new.stream FROM json_each(new.labels) n WHERE n.key NOT IN ('workflows.argoproj.io/phase', 'workflows.argoproj.io/completed') AND NOT EXISTS (SELECT 1 FROM json_each(old.labels) l WHERE l.key = n.key AND l.value = n.value); END;

CREATE TRIGGER workflow_labels_delete AFTER DELETE ON workflows WHEN old.labels <> '{}' BEGIN DELETE FROM workflow_labels WHERE (key, value, created_at, uid) IN (SELECT l.key, l.value, old.created_at, old.uid FROM json_each(old.labels) l); END;

CREATE INDEX workflows_namespace ON workflows (namespace, created_at, uid);

CREATE INDEX workflows_duration ON workflows (finished_at - started_at) WHERE finished_at IS NOT NULL;

CREATE INDEX workflows_unfinished ON workflows (created_at, uid) WHERE finished_at IS NULL;
