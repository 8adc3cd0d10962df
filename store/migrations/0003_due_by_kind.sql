-- Wakeups by kind: whoever takes what is due of one kind does not pass what is due of others, and stops after what it takes.
ALTER TABLE wakeups ADD COLUMN kind TEXT NOT NULL DEFAULT '';

UPDATE wakeups SET kind = (SELECT s.kind FROM streams s WHERE s.id = wakeups.stream);

CREATE INDEX wakeups_kind_due ON wakeups (kind, due_at);
