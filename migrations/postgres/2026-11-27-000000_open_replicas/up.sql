-- Whether the replica has no authentication. Earlier versions do not say so, and may have
-- none.
ALTER TABLE replicas ADD COLUMN is_open BOOLEAN NOT NULL DEFAULT TRUE;
