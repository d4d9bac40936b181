ALTER TABLE resources DROP COLUMN last_events;
ALTER TABLE floors DROP COLUMN last_events;
