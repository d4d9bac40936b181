//! The replicas that share the database: heartbeats, and messages over NOTIFY.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use dlm_engine::{ClaimKey, Micros, ReplicaId, Replicas};
use dlm_pq::PqConnection;

use super::bulk::{self, Param};
use super::connection::{CommitDurability, ConnectOptions, Reconnecting};
use super::log::{self, UNPLACED};
use super::{now, peer_wire};
use crate::clock::since_boot;
use crate::store::statement::statements;
use crate::store::{Cluster, Heartbeat, Name, PeerMessage, StoreError, new_replica_id};

/// A replica without a heartbeat for this long is declared dead.
const DEAD_AFTER: Duration = Duration::from_secs(3);
/// Heartbeats at most this far apart are regular.
const REGULAR: Duration = Duration::from_millis(1_500);
/// The rows of a replica are deleted this long after it was declared dead.
const DELETE_AFTER: Duration = Duration::from_secs(86_400);
/// For how long one call of `receive` waits.
const RECEIVE_TIMEOUT: Duration = Duration::from_millis(50);
/// Most message lists that wait to be sent. More are dropped: peers poll too.
const MAX_PENDING: usize = 10_000;

statements! {
    /// Returns since when this replica was declared dead before, if it was.
    RecordHeartbeat -> Nullable<BigInt> = "INSERT INTO replicas AS mine (id, seen_at, is_open, load) VALUES (?, ?, ? <> 0, ?) \
        ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, load = excluded.load, gone_since = NULL \
        RETURNING (SELECT gone_since FROM replicas WHERE id = mine.id)";
    DeclareDead -> () = "UPDATE replicas SET gone_since = ? WHERE gone_since IS NULL AND seen_at < ?";
    /// This deletes the markers of their writers, and which of their batches have a position: all
    /// must have one.
    DeleteDead -> () = &format!("DELETE FROM replicas WHERE gone_since < ? AND NOT EXISTS (SELECT FROM writers \
        JOIN placed ON placed.writer = writers.id \
        CROSS JOIN LATERAL (SELECT writer, batch {UNPLACED} 1) AS later WHERE writers.replica = replicas.id)");
    ReadReplicas -> (BigInt, Nullable<BigInt>, Bool, BigInt) = "SELECT id, gone_since, is_open, load FROM replicas";
    CountLive -> BigInt = "SELECT count(*) FROM replicas WHERE gone_since IS NULL AND seen_at > ?";
    /// The time that waiters had to return while no replica was up does not
    /// count.
    RestartAbsences -> () = "UPDATE replicas SET gone_since = ? WHERE gone_since IS NOT NULL";
    SetUpSince -> () = "INSERT INTO meta (name, value) VALUES ('up_since', convert_to(?::bigint::text, 'UTF8')) \
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    ReadUpSince -> BigInt = "SELECT coalesce(max(convert_from(value, 'UTF8')::bigint), 0) FROM meta \
        WHERE name = 'up_since'";
    Leave -> () = "UPDATE replicas SET gone_since = ? WHERE id = ?";
    Notify -> Text = "SELECT pg_notify('dlm_waits', ?)::text";
    /// The waits among these that have ended, or whose claim names no replica.
    EndedWaits -> (Text, Text, Text) = "SELECT claims.resource, claims.principal, claims.key \
        FROM unnest(?, ?, ?) AS asked (key, resource, principal) JOIN claims \
        ON claims.key = asked.key AND claims.resource = asked.resource AND claims.principal = asked.principal \
        WHERE claims.ticket IS NULL OR claims.replica IS NULL";
}

pub(super) struct PostgresCluster {
    me: ReplicaId,
    /// Whether this server has no authentication.
    is_open: bool,
    rank: AtomicU32,
    peers: Peers,
    regularity: Mutex<Regularity>,
    heartbeats: Mutex<Reconnecting>,
    /// Readers see positions as soon as they are assigned, so they are durable.
    positions: Mutex<Reconnecting>,
    polls: Mutex<Reconnecting>,
    listener: Mutex<Reconnecting>,
    outgoing: mpsc::SyncSender<Vec<PeerMessage>>,
    announcer: Mutex<Announcer>,
}

/// Whether other replicas are up, as of the last heartbeat.
#[derive(Debug, Clone, Default)]
pub(super) struct Peers(Arc<AtomicBool>);

impl Peers {
    pub(super) fn are_absent(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The messages to send, and the connection to send them on.
struct Announcer {
    pending: mpsc::Receiver<Vec<PeerMessage>>,
    connection: Reconnecting,
}

/// How regular the heartbeats of this replica have been.
#[derive(Debug, Default)]
struct Regularity {
    since: Duration,
    last: Option<Duration>,
}

impl Regularity {
    /// Records a heartbeat. Returns whether this replica may declare others
    /// dead. A replica that was stopped, lost its database or has just started may be
    /// the first to send one, and find the heartbeats of all others old.
    fn record(&mut self, now: Duration) -> bool {
        let last = self.last.replace(now);
        match last {
            // It has just started, perhaps into an outage that its peers are only
            // recovering from.
            None => self.since = now,
            Some(last) if now.saturating_sub(last) > REGULAR => self.since = now,
            Some(_) => {}
        }
        now.saturating_sub(self.since) > DEAD_AFTER
    }
}

impl PostgresCluster {
    pub(super) fn new(options: &ConnectOptions, is_open: bool) -> Self {
        let me = new_replica_id();
        let connection = |durability| Mutex::new(Reconnecting::new(options.clone(), durability));
        let (outgoing, pending) = mpsc::sync_channel::<Vec<PeerMessage>>(MAX_PENDING);
        let connection_of_announcer = Reconnecting::new(options.clone(), CommitDurability::MayBeLost);
        Self {
            me,
            is_open,
            rank: AtomicU32::new(0),
            peers: Peers::default(),
            regularity: Mutex::default(),
            heartbeats: connection(CommitDurability::MayBeLost),
            positions: connection(CommitDurability::Durable),
            polls: connection(CommitDurability::MayBeLost),
            listener: connection(CommitDurability::MayBeLost),
            announcer: Mutex::new(Announcer { pending, connection: connection_of_announcer }),
            outgoing,
        }
    }

    pub(super) fn me(&self) -> ReplicaId {
        self.me
    }

    pub(super) fn peers(&self) -> Peers {
        self.peers.clone()
    }
}

/// Counts the replicas with a recent heartbeat.
pub(super) fn count_live(connection: &mut PqConnection) -> Result<usize, StoreError> {
    let since = now(connection)?.0 - micros(DEAD_AFTER);
    let count: Vec<i64> = bulk::load::<CountLive, _>(connection, vec![since.into()])?;
    Ok(count.first().map_or(0, |count| usize::try_from(*count).unwrap_or(usize::MAX)))
}

/// This replica is the first one after a time without any.
fn begin_cluster(connection: &mut PqConnection) -> Result<(), StoreError> {
    let now = now(connection)?.0;
    bulk::run::<RestartAbsences>(connection, vec![now.into()])?;
    bulk::run::<SetUpSince>(connection, vec![now.into()])?;
    Ok(())
}

fn send(announcer: &mut Reconnecting, payloads: &[String]) -> Result<(), StoreError> {
    announcer.with(|connection| {
        for payload in payloads {
            let _: Vec<String> = bulk::load::<Notify, _>(connection, vec![payload.as_str().into()])?;
        }
        Ok(())
    })
}

/// The messages to this replica that have arrived. Waits for the first.
fn received(connection: &mut PqConnection, me: ReplicaId) -> Result<Vec<PeerMessage>, StoreError> {
    let deadline = since_boot() + RECEIVE_TIMEOUT;
    let mut messages = Vec::new();
    loop {
        let wait = if messages.is_empty() { deadline.saturating_sub(since_boot()) } else { Duration::ZERO };
        let Some(notification) = connection.notification(wait)? else { return Ok(messages) };
        messages.extend(peer_wire::decode(&notification.payload, me));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Cluster for PostgresCluster {
    fn heartbeat(&self, load: u64) -> Result<Heartbeat, StoreError> {
        type ReplicaRow = (i64, Option<i64>, bool, i64);
        let (declared_dead, replicas, up_since): (bool, Vec<ReplicaRow>, Vec<i64>) = lock(&self.heartbeats)
            .with(|connection| {
            if lock(&self.regularity).last.is_none() && count_live(connection)? == 0 {
                begin_cluster(connection)?;
            }
            let now = now(connection)?.0;
            let load = i64::try_from(load).unwrap_or(i64::MAX);
            let params = vec![self.me.0.into(), now.into(), i64::from(self.is_open).into(), load.into()];
            let dead_before: Vec<Option<i64>> = bulk::load::<RecordHeartbeat, _>(connection, params)?;
            if lock(&self.regularity).record(since_boot()) {
                let params = vec![now.into(), (now - micros(DEAD_AFTER)).into()];
                bulk::run::<DeclareDead>(connection, params)?;
                bulk::run::<DeleteDead>(connection, vec![(now - micros(DELETE_AFTER)).into()])?;
            }
            let replicas = bulk::load::<ReadReplicas, _>(connection, Vec::new())?;
            let up_since = bulk::load::<ReadUpSince, _>(connection, Vec::new())?;
            Ok((dead_before.first().is_some_and(Option::is_some), replicas, up_since))
        })?;
        let live = replicas.iter().filter(|(_, dead, ..)| dead.is_none());
        let peers = live.filter(|(id, ..)| *id != self.me.0);
        let older = peers.clone().filter(|(id, ..)| *id < self.me.0).count();
        let open_peers = peers.clone().any(|(_, _, is_open, _)| *is_open);
        let loads = peers.clone().map(|(.., load)| u64::try_from(*load).unwrap_or(0));
        let load_of_peers = loads.fold(0, u64::saturating_add);
        self.peers.0.store(peers.count() == 0, Ordering::Relaxed);
        self.rank.store(u32::try_from(older).unwrap_or(u32::MAX), Ordering::Relaxed);
        let dead: HashMap<_, _> =
            replicas.into_iter().filter_map(|(id, dead, ..)| Some((ReplicaId(id), Micros(dead?)))).collect();
        let up_since = Micros(up_since.first().copied().unwrap_or(0));
        let replicas = Replicas::cluster(self.me, dead, up_since);
        Ok(Heartbeat { replicas, declared_dead, open_peers, load_of_peers })
    }

    fn assign_positions(&self) -> Result<(), StoreError> {
        lock(&self.positions).with(log::assign_positions)
    }

    fn leave(&self) -> Result<(), StoreError> {
        lock(&self.heartbeats).with(|connection| {
            let now = now(connection)?.0;
            bulk::run::<Leave>(connection, vec![now.into(), self.me.0.into()])?;
            Ok(())
        })
    }

    fn rank(&self) -> u32 {
        self.rank.load(Ordering::Relaxed)
    }

    fn announce(&self, messages: Vec<PeerMessage>) {
        if self.outgoing.try_send(messages).is_err() {
            tracing::debug!("peer messages dropped: too many are pending");
        }
    }

    fn send_announced(&self) {
        let Announcer { pending, connection } = &mut *lock(&self.announcer);
        let Ok(first) = pending.recv_timeout(RECEIVE_TIMEOUT) else { return };
        let messages = first.into_iter().chain(pending.try_iter().flatten());
        if let Err(error) = send(connection, &peer_wire::encode(messages, self.me)) {
            tracing::debug!(%error, "peer messages lost");
        }
    }

    fn receive(&self) -> Vec<PeerMessage> {
        let mut listener = lock(&self.listener);
        let listening = listener.is_connected();
        let messages = listener.with(|connection| {
            if !listening {
                connection.batch_execute("LISTEN dlm_waits")?;
            }
            received(connection, self.me)
        });
        messages.unwrap_or_else(|error| {
            tracing::debug!(%error, "listening for peer messages failed");
            std::thread::sleep(RECEIVE_TIMEOUT);
            Vec::new()
        })
    }

    fn ended_waits(&self, parked: &[(Name, ClaimKey)]) -> Result<Vec<(Name, ClaimKey)>, StoreError> {
        let params = vec![
            Param::texts(parked.iter().map(|(_, key)| &*key.key)),
            Param::texts(parked.iter().map(|(name, _)| &**name)),
            Param::texts(parked.iter().map(|(_, key)| &*key.principal)),
        ];
        let rows: Vec<(String, String, String)> =
            lock(&self.polls).with(|connection| Ok(bulk::load::<EndedWaits, _>(connection, params)?))?;
        Ok(rows
            .into_iter()
            .map(|(name, principal, key)| (Name::from(name), ClaimKey::new(principal, key)))
            .collect())
    }

    fn is_shared(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_millis(500);

    /// Sends heartbeats until this replica may declare others dead; returns for how
    /// long.
    fn judges_after(regularity: &mut Regularity, now: &mut Duration) -> Duration {
        let began = *now;
        while !regularity.record(*now) {
            *now += BEAT;
        }
        now.saturating_sub(began)
    }

    #[test]
    fn b63_replica_declares_others_dead_only_after_it_was_alive_for_as_long_itself() {
        let mut regularity = Regularity::default();
        let mut now = Duration::from_secs(1_000);
        assert!(judges_after(&mut regularity, &mut now) > DEAD_AFTER);
        now += BEAT;
        assert!(regularity.record(now));
        // An outage, or the process was stopped.
        now += Duration::from_secs(20);
        assert!(judges_after(&mut regularity, &mut now) > DEAD_AFTER);
    }
}
