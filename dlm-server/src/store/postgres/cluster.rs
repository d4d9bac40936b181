//! The replicas that share the database, and the words between them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Nullable, Text};
use dlm_engine::{ClaimKey, Micros, ReplicaId, Replicas};
use dlm_protocol::EndReason;
use serde::{Deserialize, Serialize};

use super::bulk::{self, Column, statements};
use super::location::{Commits, Link, Location};
use super::{log, now};
use crate::clock::since_boot;
use crate::store::{Beat, Cluster, Heard, Name, StoreError, Word, new_replica_id};

/// A replica that gave no sign of life for so long is missed.
const MISSED_AFTER: Duration = Duration::from_secs(3);
/// Signs of life that follow each other so soon are regular.
const REGULAR: Duration = Duration::from_millis(1_500);
/// A replica that was missed for so long is forgotten, with its writers.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(86_400);
/// How often the socket is looked at for messages, and for how long at a time.
const LISTEN_EVERY: Duration = Duration::from_millis(4);
const LISTEN_FOR: Duration = Duration::from_millis(50);
/// The longest message that Postgres takes is 8,000 bytes.
const LONGEST_MESSAGE: usize = 7_500;
/// Most words that wait to be sent; more are left to the looks of the others.
const MOST_WORDS: usize = 10_000;

statements! {
    /// Tells since when it was missed before, if it was.
    SignOfLife -> Nullable<BigInt> = "INSERT INTO replicas AS mine (id, seen_at) VALUES (?, ?) \
        ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, gone_since = NULL \
        RETURNING (SELECT gone_since FROM replicas WHERE id = mine.id)";
    Miss -> () = "UPDATE replicas SET gone_since = ? WHERE gone_since IS NULL AND seen_at < ?";
    Forget -> () = "DELETE FROM replicas WHERE gone_since < ?";
    Members -> (BigInt, Nullable<BigInt>) = "SELECT id, gone_since FROM replicas";
    AtWork -> BigInt = "SELECT count(*) FROM replicas WHERE gone_since IS NULL AND seen_at > ?";
    Leave -> () = "UPDATE replicas SET gone_since = ? WHERE id = ?";
    Notify -> Text = "SELECT pg_notify('dlm_waits', ?)::text";
    /// Waits that are over, and those that nobody is known to hold open.
    Over -> (Text, Text, Text) = "SELECT claims.resource, claims.principal, claims.key \
        FROM unnest(?, ?, ?) AS asked (key, resource, principal) JOIN claims \
        ON claims.key = asked.key AND claims.resource = asked.resource AND claims.principal = asked.principal \
        WHERE claims.ticket IS NULL OR claims.replica IS NULL";
}

/// A word on its way.
#[derive(Debug, Serialize, Deserialize)]
enum Said {
    WaitEnded { to: i64, name: String, principal: String, key: String },
    LeaseEnded { from: i64, name: String, token: u64, reason: EndReason },
    Renewed { from: i64, name: String, token: u64, expires_at: i64 },
    RenewalsFollowed { from: i64 },
}

impl Said {
    fn new(word: Word, from: ReplicaId) -> Self {
        match word {
            Word::WaitEnded { replica, name, key } => Self::WaitEnded {
                to: replica.0,
                name: name.to_string(),
                principal: key.principal.to_string(),
                key: key.key.to_string(),
            },
            Word::LeaseEnded { name, token, reason } => {
                Self::LeaseEnded { from: from.0, name: name.to_string(), token, reason }
            }
            Word::Renewed { name, token, expires_at } => {
                let (name, expires_at) = (name.to_string(), expires_at.0);
                Self::Renewed { from: from.0, name, token, expires_at }
            }
            Word::RenewalsFollowed => Self::RenewalsFollowed { from: from.0 },
        }
    }

    /// What it says to a replica, if anything.
    fn heard_by(self, me: ReplicaId) -> Option<Heard> {
        match self {
            Self::WaitEnded { to, name, principal, key } if to == me.0 => {
                Some(Heard::WaitEnded(Name::from(name), ClaimKey::new(principal, key)))
            }
            Self::LeaseEnded { from, name, token, reason } if from != me.0 => {
                Some(Heard::LeaseEnded(Name::from(name), token, reason))
            }
            Self::Renewed { from, name, token, expires_at } if from != me.0 => {
                Some(Heard::Renewed(Name::from(name), token, Micros(expires_at)))
            }
            Self::RenewalsFollowed { from } if from != me.0 => Some(Heard::RenewalsFollowed),
            _ => None,
        }
    }
}

pub(super) struct PostgresCluster {
    me: ReplicaId,
    rank: AtomicU32,
    rhythm: Mutex<Rhythm>,
    beats: Mutex<Link>,
    /// Places in the log are seen, so they last.
    places: Mutex<Link>,
    looks: Mutex<Link>,
    listens: Mutex<Link>,
    words: mpsc::SyncSender<Vec<Said>>,
}

/// How regularly this replica gave signs of life.
#[derive(Debug, Default)]
struct Rhythm {
    since: Duration,
    last: Option<Duration>,
}

impl Rhythm {
    /// A sign of life was given. Tells whether this replica may judge others by
    /// theirs: one that was stopped, or without its database, may be the first
    /// one that is back, with the others' signs as old as its own.
    fn beat(&mut self, now: Duration) -> bool {
        let last = self.last.replace(now);
        match last {
            // It has just started.
            None => return true,
            Some(last) if now.saturating_sub(last) > REGULAR => self.since = now,
            Some(_) => {}
        }
        now.saturating_sub(self.since) > MISSED_AFTER
    }
}

impl PostgresCluster {
    pub(super) fn new(location: &Location) -> Result<Self, StoreError> {
        let link = |commits| Mutex::new(Link::new(location.clone(), commits));
        let (words, to_say) = mpsc::sync_channel::<Vec<Said>>(MOST_WORDS);
        let mut says = Link::new(location.clone(), Commits::MayBeLost);
        std::thread::Builder::new()
            .name("dlm-announcer".into())
            .spawn(move || {
                while let Ok(first) = to_say.recv() {
                    let all = first.into_iter().chain(to_say.try_iter().flatten());
                    if let Err(error) = say(&mut says, all) {
                        tracing::debug!(%error, "a message to other servers was lost");
                    }
                }
            })
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            me: new_replica_id(),
            rank: AtomicU32::new(0),
            rhythm: Mutex::default(),
            beats: link(Commits::MayBeLost),
            places: link(Commits::Last),
            looks: link(Commits::MayBeLost),
            listens: link(Commits::MayBeLost),
            words,
        })
    }

    pub(super) fn me(&self) -> ReplicaId {
        self.me
    }
}

/// How many replicas gave a sign of life not long ago.
pub(super) fn at_work(connection: &mut PgConnection) -> Result<usize, StoreError> {
    let since = now(connection)?.0 - micros(MISSED_AFTER);
    let count: Vec<i64> = bulk::load::<AtWork, _>(connection, vec![since.into()])?;
    Ok(count.first().map_or(0, |count| usize::try_from(*count).unwrap_or(usize::MAX)))
}

/// Sends words, as many in a message as it takes.
fn say(link: &mut Link, words: impl Iterator<Item = Said>) -> Result<(), StoreError> {
    let mut messages = Vec::new();
    let mut message = String::new();
    for word in words {
        let Ok(word) = serde_json::to_string(&word) else { continue };
        if message.len() + word.len() > LONGEST_MESSAGE {
            messages.push(std::mem::take(&mut message));
        }
        message.push_str(&word);
        message.push('\n');
    }
    messages.push(message);
    link.with(|connection| {
        for message in messages.iter().filter(|message| !message.is_empty()) {
            let _: Vec<String> = bulk::load::<Notify, _>(connection, vec![message.as_str().into()])?;
        }
        Ok(())
    })
}

/// The words to this replica that have come.
fn hear(connection: &mut PgConnection, me: ReplicaId) -> Result<Vec<Heard>, StoreError> {
    let mut heard = Vec::new();
    for notification in connection.notifications_iter() {
        for line in notification?.payload.lines() {
            // A newer version may say things that this one does not know.
            if let Ok(said) = serde_json::from_str::<Said>(line) {
                heard.extend(said.heard_by(me));
            }
        }
    }
    Ok(heard)
}

fn lock<T>(link: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    link.lock().unwrap_or_else(PoisonError::into_inner)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Cluster for PostgresCluster {
    fn beat(&self) -> Result<Beat, StoreError> {
        type Member = (i64, Option<i64>);
        let (was_missed, members): (bool, Vec<Member>) = lock(&self.beats).with(|connection| {
            let now = now(connection)?.0;
            let missed: Vec<Option<i64>> =
                bulk::load::<SignOfLife, _>(connection, vec![self.me.0.into(), now.into()])?;
            if lock(&self.rhythm).beat(since_boot()) {
                bulk::run::<Miss>(connection, vec![now.into(), (now - micros(MISSED_AFTER)).into()])?;
                bulk::run::<Forget>(connection, vec![(now - micros(FORGOTTEN_AFTER)).into()])?;
            }
            let members = bulk::load::<Members, _>(connection, Vec::new())?;
            Ok((missed.first().is_some_and(Option::is_some), members))
        })?;
        let before = members.iter().filter(|(id, gone)| gone.is_none() && *id < self.me.0).count();
        self.rank.store(u32::try_from(before).unwrap_or(u32::MAX), Ordering::Relaxed);
        let gone: HashMap<_, _> =
            members.into_iter().filter_map(|(id, gone)| Some((ReplicaId(id), Micros(gone?)))).collect();
        Ok(Beat { replicas: Replicas::cluster(self.me, gone), was_missed })
    }

    fn place(&self) -> Result<(), StoreError> {
        lock(&self.places).with(log::place)
    }

    fn leave(&self) -> Result<(), StoreError> {
        lock(&self.beats).with(|connection| {
            let now = now(connection)?.0;
            bulk::run::<Leave>(connection, vec![now.into(), self.me.0.into()])?;
            Ok(())
        })
    }

    fn rank(&self) -> u32 {
        self.rank.load(Ordering::Relaxed)
    }

    fn announce(&self, words: Vec<Word>) {
        let said = words.into_iter().map(|word| Said::new(word, self.me)).collect();
        if self.words.try_send(said).is_err() {
            tracing::debug!("too many messages to other servers; they will look by themselves");
        }
    }

    fn heard(&self) -> Vec<Heard> {
        let until = since_boot() + LISTEN_FOR;
        while since_boot() < until {
            let mut link = lock(&self.listens);
            let new = !link.is_up();
            let heard = link.with(|connection| {
                if new {
                    connection.batch_execute("LISTEN dlm_waits")?;
                }
                hear(connection, self.me)
            });
            drop(link);
            match heard {
                Ok(words) if !words.is_empty() => return words,
                Ok(_) => std::thread::sleep(LISTEN_EVERY),
                Err(error) => {
                    tracing::debug!(%error, "not listening to other servers");
                    std::thread::sleep(LISTEN_FOR);
                }
            }
        }
        Vec::new()
    }

    fn missed(&self, parked: &[(Name, ClaimKey)]) -> Result<Vec<(Name, ClaimKey)>, StoreError> {
        let columns = vec![
            Column::texts(parked.iter().map(|(_, key)| &*key.key)),
            Column::texts(parked.iter().map(|(name, _)| &**name)),
            Column::texts(parked.iter().map(|(_, key)| &*key.principal)),
        ];
        let rows: Vec<(String, String, String)> =
            lock(&self.looks).with(|connection| Ok(bulk::load::<Over, _>(connection, columns)?))?;
        Ok(rows
            .into_iter()
            .map(|(name, principal, key)| (Name::from(name), ClaimKey::new(principal, key)))
            .collect())
    }

    fn is_shared(&self) -> bool {
        true
    }
}
