-- How many operations the replica executes per second. Earlier versions do not say so.
ALTER TABLE replicas ADD COLUMN load BIGINT NOT NULL DEFAULT 0;
