//! What people write by hand on Postgres: a row for each lock, one statement to take it and
//! one to give it back. A lock that is held is tried again every 100 ms.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_postgres::{Client, NoTls, Statement};

use super::redis::RETRY;
use super::{System, TTL, Worker};
use crate::BoxError;
use crate::measure::spawn;

/// More workers share connections.
const MAX_CONNECTIONS: usize = 128;
const CREATE: &str = "
    DROP TABLE IF EXISTS bench_locks;
    CREATE TABLE bench_locks (
        name text PRIMARY KEY,
        owner text,
        token bigint NOT NULL,
        expires_at timestamptz NOT NULL
    )";
const ACQUIRE: &str = "
    INSERT INTO bench_locks AS held VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 second')
    ON CONFLICT (name) DO UPDATE
        SET owner = $2, token = held.token + 1, expires_at = clock_timestamp() + $3 * interval '1 second'
        WHERE held.owner IS NULL OR held.expires_at < clock_timestamp()
    RETURNING token";
const RELEASE: &str = "UPDATE bench_locks SET owner = NULL WHERE name = $1 AND owner = $2";

pub(super) struct LockTable {
    url: String,
    version: String,
}

impl LockTable {
    pub(super) async fn create(url: &str) -> Result<Self, BoxError> {
        let client = connect(url).await?;
        client.batch_execute(CREATE).await?;
        let version: String = client.query_one("SELECT version()", &[]).await?.get(0);
        Ok(Self { url: url.to_owned(), version })
    }
}

async fn connect(url: &str) -> Result<Client, BoxError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // It ends with the client.
    spawn(connection);
    Ok(client)
}

#[async_trait]
impl System for LockTable {
    fn name(&self) -> &'static str {
        "lock-table"
    }

    fn version(&self) -> &str {
        &self.version
    }

    async fn workers(&self, count: usize) -> Result<Vec<Box<dyn Worker>>, BoxError> {
        let mut connections = Vec::new();
        for _ in 0..count.min(MAX_CONNECTIONS) {
            let client = connect(&self.url).await?;
            let (acquire, release) = (client.prepare(ACQUIRE).await?, client.prepare(RELEASE).await?);
            connections.push(Arc::new(Connection { client, acquire, release }));
        }
        let worker = |number: usize| {
            let connection = Arc::clone(&connections[number % connections.len()]);
            let owner = uuid::Uuid::new_v4().to_string();
            Box::new(TableWorker { connection, owner }) as Box<dyn Worker>
        };
        Ok((0..count).map(worker).collect())
    }
}

struct Connection {
    client: Client,
    acquire: Statement,
    release: Statement,
}

struct TableWorker {
    connection: Arc<Connection>,
    owner: String,
}

#[async_trait]
impl Worker for TableWorker {
    async fn acquire(&mut self, lock: &str) -> Result<(), BoxError> {
        let Connection { client, acquire, .. } = &*self.connection;
        while client.query_opt(acquire, &[&lock, &self.owner, &TTL.as_secs_f64()]).await?.is_none() {
            tokio::time::sleep(RETRY).await;
        }
        Ok(())
    }

    async fn release(&mut self, lock: &str) -> Result<(), BoxError> {
        let Connection { client, release, .. } = &*self.connection;
        let released = client.execute(release, &[&lock, &self.owner]).await?;
        if released == 1 { Ok(()) } else { Err("the lock was lost".into()) }
    }
}
