DROP FUNCTION commit_batch_1;
ALTER TABLE writers DROP COLUMN left_out;
