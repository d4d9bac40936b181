//! A writer without a thread: a test enqueues jobs and lets it run batch by batch.

use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};
use dlm_engine::{ClaimKey, KnowsKey, Limits, Mode, Op, Reply, Request};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::scripted_store::{ScriptedStore, SharedScript};
use crate::anonymous_claims::AnonymousClaims;
use crate::feed::Feed;
use crate::lease_watchers::LeaseWatchers;
use crate::membership::Membership;
use crate::metrics::Metrics;
use crate::store::{self, LogRow, LoggedEvent, Name, Reader};
use crate::usage::{InFlight, Usage};
use crate::writer::inbox::Inbox;
use crate::writer::job::{
    Admission, Caller, Completion, Execute, Job, Leave, OperationError, OperationResult, RequestId,
    SessionId, Unexecuted,
};
use crate::writer::joining::Joining;
use crate::writer::thread::WriterState;
use crate::writer::{Dependencies, NextCheck, Parked, ReplyTo, Writer};

pub(super) type Answer = oneshot::Receiver<OperationResult>;

/// A writer on a database of its own.
pub(super) struct TestWriter {
    pub(super) state: WriterState,
    pub(super) inbox: Inbox,
    pub(super) script: SharedScript,
    pub(super) parked: Arc<Parked>,
    pub(super) next_check: Arc<NextCheck>,
    pub(super) usage: Arc<Usage>,
    pub(super) anonymous_claims: Arc<AnonymousClaims>,
    pub(super) replica: i64,
    pub(super) reader: Arc<dyn Reader>,
    next_request: u64,
    /// The principal that sends what a test enqueues.
    sender: Arc<str>,
    directory: TempDir,
}

/// A row of the claims table.
#[derive(Debug, Clone, QueryableByName)]
pub(super) struct StoredClaim {
    #[diesel(sql_type = Text)]
    pub(super) resource: String,
    #[diesel(sql_type = Text)]
    pub(super) key: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) ticket: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) replica: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) away_since: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) token: Option<i64>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    pub(super) end_reason: Option<i16>,
}

impl StoredClaim {
    pub(super) fn is_live(&self) -> bool {
        self.token.is_some() && self.end_reason.is_none()
    }

    pub(super) fn is_parked(&self) -> bool {
        self.ticket.is_some() && self.away_since.is_none()
    }
}

/// An event of the log.
#[derive(Debug, Clone)]
pub(super) struct StoredEvent {
    pub(super) resource: String,
    pub(super) owner: String,
}

impl TestWriter {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        let mut opened = store::open(&url, 1, true).unwrap();
        let script = SharedScript::default();
        let store = Box::new(ScriptedStore::new(opened.stores.remove(0), script.clone()));
        let (parked, next_check) = (Arc::<Parked>::default(), Arc::new(NextCheck::new()));
        let membership = Arc::new(Membership::new(opened.cluster.heartbeat(0).unwrap().replicas));
        let replica = membership.current().local().0;
        let usage = Arc::<Usage>::default();
        let anonymous_claims = Arc::new(AnonymousClaims::new(false));
        let dependencies = Dependencies {
            membership,
            cluster: opened.cluster,
            parked: Arc::clone(&parked),
            anonymous_claims: Arc::clone(&anonymous_claims),
            lease_watchers: Arc::<LeaseWatchers>::default(),
            feed: Feed::new(),
            usage: Arc::clone(&usage),
            limits: Arc::new(Limits {
                away_grace_ms: 10_000,
                idle_retention_ms: 86_400_000,
                holders_shown: 100,
                max_transitions: 4,
            }),
            metrics: Metrics::new(),
            next_check: Arc::clone(&next_check),
        };
        let joining = Arc::new(Joining::new(&[Writer::first()]));
        let state = WriterState::new(store, 0, joining, &dependencies);
        let (inbox, reader) = (Inbox::default(), opened.reader);
        Self {
            state,
            inbox,
            script,
            parked,
            next_check,
            usage,
            anonymous_claims,
            replica,
            reader,
            next_request: 0,
            sender: "".into(),
            directory,
        }
    }

    /// Has this principal send what is enqueued from now on.
    pub(super) fn send_as(&mut self, principal: &str) {
        self.sender = principal.into();
    }

    /// A key of the sender.
    pub(super) fn key(&self, key: &str) -> ClaimKey {
        ClaimKey::new(Arc::clone(&self.sender), key)
    }

    /// Enqueues an operation.
    pub(super) fn execute(&mut self, name: &str, session: Option<u64>, op: Op) -> (RequestId, Answer) {
        self.execute_admitted(name, session, op, Admission::UNLIMITED)
    }

    /// Enqueues an exclusive acquire that counts for a quota.
    pub(super) fn acquire_in_flight(&mut self, name: &str, key: &str, in_flight: InFlight) -> Answer {
        let admission = Admission::Admitted { _in_flight: Some(in_flight) };
        let op = acquire(self.key(key), 0);
        self.execute_admitted(name, None, op, admission).1
    }

    pub(super) fn execute_admitted(
        &mut self,
        name: &str,
        session: Option<u64>,
        op: Op,
        admission: Admission,
    ) -> (RequestId, Answer) {
        self.next_request += 1;
        let (reply, answer) = oneshot::channel();
        let request = RequestId(self.next_request);
        let caller = Caller { request, reply: ReplyTo::Future(reply) };
        let session = session.map(SessionId);
        let name = Name::from(name);
        let sender = Some(Arc::clone(&self.sender));
        self.inbox.push(Job::Execute(Execute { sender, name, op, session, admission, caller })).unwrap();
        (request, answer)
    }

    /// Enqueues an exclusive acquire. Its owner is its key.
    pub(super) fn acquire(&mut self, name: &str, key: &str, wait_ms: u64) -> (RequestId, Answer) {
        self.execute(name, None, acquire(self.key(key), wait_ms))
    }

    pub(super) fn release(&mut self, name: &str, key: &str, token: u64) -> (RequestId, Answer) {
        self.execute(name, None, Op::Release { key: self.key(key), token })
    }

    pub(super) fn leave(&mut self, name: &str, key: &str, request: Option<RequestId>, knows_key: KnowsKey) {
        self.leave_of(self.key(key), name, request, knows_key);
    }

    /// Enqueues a leave of an acquire that is executed first.
    pub(super) fn leave_once_executed(&mut self, name: &str, key: &str, request: RequestId) {
        let (sender, name, key) = (Arc::clone(&self.sender), Name::from(name), self.key(key));
        let (request, knows_key) = (Some(request), KnowsKey::Yes);
        let unexecuted = Unexecuted::Execute;
        self.inbox.push(Job::Leave(Leave { sender, name, key, request, knows_key, unexecuted })).unwrap();
    }

    /// Enqueues a leave of the principal whose key this is.
    pub(super) fn leave_of(
        &mut self,
        key: ClaimKey,
        name: &str,
        request: Option<RequestId>,
        knows_key: KnowsKey,
    ) {
        let (name, sender) = (Name::from(name), Arc::clone(&key.principal));
        let unexecuted = Unexecuted::Withdraw;
        self.inbox.push(Job::Leave(Leave { sender, name, key, request, knows_key, unexecuted })).unwrap();
    }

    pub(super) fn turn(&mut self) {
        self.state.turn(&self.inbox);
    }

    /// Runs until nothing is left to do, whatever the pauses.
    pub(super) fn finish(&mut self) {
        for _ in 0..1_000 {
            self.turn();
            let inbox = self.inbox.take(0, &mut Vec::new());
            let waits = self.state.deferred.is_empty() && self.state.kept.is_empty();
            if inbox.urgent + inbox.acquires == 0 && waits && self.state.recovery.patience() == Duration::MAX
            {
                return;
            }
        }
        panic!("the writer never finishes");
    }

    /// Enqueues what the sweeper would.
    pub(super) fn sweep(&mut self) {
        let due = self.reader.due_work(Duration::ZERO, 1_000).unwrap();
        for name in due.resources {
            self.execute(&name, None, Op::Sweep { waiters: Vec::new() });
        }
        for (name, key) in due.waiters {
            self.execute(&name, None, Op::Sweep { waiters: vec![key] });
        }
    }

    /// A connection to a database whose tables are up to date.
    fn connect(&mut self) -> SqliteConnection {
        self.state.store.finish().unwrap();
        let path = self.directory.path().join("test.db");
        SqliteConnection::establish(path.to_str().unwrap()).unwrap()
    }

    pub(super) fn claims(&mut self) -> Vec<StoredClaim> {
        let sql = "SELECT resource, key, ticket, replica, away_since, token, end_reason FROM claims";
        diesel::sql_query(sql).load(&mut self.connect()).unwrap()
    }

    pub(super) fn claim(&mut self, name: &str, key: &str) -> Option<StoredClaim> {
        self.claims().into_iter().find(|claim| claim.resource == name && claim.key == key)
    }

    /// The events of the log, in order.
    pub(super) fn events(&self) -> Vec<StoredEvent> {
        let page = self.reader.log(0, i64::MAX).unwrap();
        assert!(!page.more, "the log is short");
        let events = |row: &LogRow| {
            let stored = |event: &LoggedEvent<'_>| StoredEvent {
                resource: event.resource.to_string(),
                owner: event.owner.to_string(),
            };
            row.decode().unwrap().iter().map(stored).collect::<Vec<_>>()
        };
        page.rows.iter().flat_map(events).collect()
    }
}

pub(super) fn acquire(key: ClaimKey, wait_ms: u64) -> Op {
    let request = Request {
        mode: Mode::Exclusive,
        ttl_ms: 3_600_000,
        wait_ms,
        owner: Arc::clone(&key.key),
        metadata: "{}".into(),
    };
    Op::Acquire { key, request: Arc::new(request) }
}

/// The answer, which must be there.
pub(super) fn answer(answer: &mut Answer) -> Result<Completion, OperationError> {
    answer.try_recv().expect("the caller is answered").outcome
}

/// The token of the lease that a caller was sent.
pub(super) fn token(answered: &Result<Completion, OperationError>) -> u64 {
    match answered {
        Ok(Completion::Reply(Reply::Lease(claim))) => claim.lease().unwrap().token,
        other => panic!("expected a lease, got {other:?}"),
    }
}

pub(super) fn is_unavailable(answered: &Result<Completion, OperationError>) -> bool {
    matches!(answered, Err(OperationError::Unavailable(_)))
}

/// The caller waits.
pub(super) fn is_open(answer: &mut Answer) -> bool {
    matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Empty))
}
