ALTER TABLE replicas DROP COLUMN is_open;
