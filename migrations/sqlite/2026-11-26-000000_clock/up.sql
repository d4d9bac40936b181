-- One row: what the deciding clock, the machine's clock since its boot and its wall
-- clock showed at one moment. The next run continues from it. `boot` identifies the
-- boot of the machine; NULL where the system does not tell. All times are in
-- microseconds.
CREATE TABLE clock (
    id         INTEGER PRIMARY KEY NOT NULL CHECK (id = 0),
    at         BIGINT NOT NULL,
    since_boot BIGINT NOT NULL,
    boot       TEXT,
    wall       BIGINT NOT NULL
);
