DROP TABLE journal;
ALTER TABLE log RENAME COLUMN data TO events;
CREATE VIEW events_readable AS
SELECT log.position, item.key AS idx, item.value ->> 'resource' AS resource, item.value ->> 'kind' AS kind,
       item.value ->> 'version' AS version, item.value ->> 'token' AS token, item.value ->> 'owner' AS owner,
       strftime('%Y-%m-%dT%H:%M:%fZ', (item.value ->> 'at') / 1000000.0, 'unixepoch') AS at,
       item.value ->> 'reason' AS reason
FROM log, json_each(log.events) AS item;
