//! A store that executes operations, as the writer does.

use std::collections::HashMap;

use diesel::sql_types::Text;
use dlm_engine::{Blocked, Context, Effects, Event, Limits, Need, Op, ReplicaId, Replicas};

use crate::store::sqlite::journal::apply::{self, Budget};
use crate::store::sqlite::journal::overlay;
use crate::store::sqlite::log_page;
use crate::store::sqlite::writer::*;
use crate::store::{LoadedResource, LogRow, ResourceWrite, sqlite};

/// What happens to a batch, and to the reply to its COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    RollBack,
    /// It commits, and the connection breaks.
    CommitUnclear,
    /// It does not commit, and the connection breaks.
    RollBackUnclear,
}

/// Resources in memory.
type Cached = HashMap<Name, Entry>;

struct Entry {
    resource: Resource,
    stored_check_at: Option<Micros>,
    last_events: i64,
}

pub(super) struct Node {
    pub(super) store: SqliteStore,
    cached: Cached,
    pub(super) path: String,
}

/// What operations returned and caused.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) replies: Vec<String>,
    pub(super) granted: Vec<(Name, ClaimKey, u64)>,
}

impl Node {
    pub(super) fn open(path: String) -> Self {
        let (store, _) = sqlite::open_file(&path, true).unwrap();
        Self { store, cached: HashMap::new(), path }
    }

    /// The server is killed and starts again.
    pub(super) fn restart(self) -> Self {
        let path = self.path.clone();
        drop(self);
        Self::open(path)
    }

    pub(super) fn evict(&mut self, name: &Name) {
        self.cached.remove(name);
    }

    pub(super) fn evict_all(&mut self) {
        self.cached.clear();
    }

    /// Executes operations in one transaction. Returns nothing if it was rolled back.
    pub(super) fn batch(&mut self, now: Micros, ops: &[(Name, Op)], end: End) -> Option<Outcome> {
        match self.attempt(now, ops, end, false) {
            Err(StoreError::KeyExists) => self.attempt(now, ops, end, true).unwrap(),
            outcome => outcome.unwrap(),
        }
    }

    fn attempt(
        &mut self,
        now: Micros,
        ops: &[(Name, Op)],
        end: End,
        look_up: bool,
    ) -> Result<Option<Outcome>, StoreError> {
        self.store.begin(LockWait::Skip).unwrap();
        let mut names: Vec<Name> = ops.iter().map(|(name, _)| Name::clone(name)).collect();
        names.sort();
        names.dedup();
        self.lock(&names);
        if look_up {
            self.look_up(ops);
        }
        let (outcome, events) = self.execute(now, ops);
        let has_events = |name: &Name| events.iter().any(|(of, _)| of == name);
        let writes: Vec<_> =
            names.iter().filter_map(|name| write_of(&self.cached, name, has_events(name))).collect();
        let batch = BatchWrite { now, writes: &writes, events: &events };
        let written = match writes.is_empty() {
            true => Ok(None),
            false => self.store.write(&batch).map(Some),
        };
        drop(writes);
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                self.store.rollback();
                names.iter().for_each(|name| self.evict(name));
                return Err(error);
            }
        };
        let committed = match end {
            End::Commit => {
                self.store.commit().unwrap();
                true
            }
            End::RollBack => {
                self.store.rollback();
                false
            }
            End::CommitUnclear | End::RollBackUnclear => self.break_connection(end, written),
        };
        for name in &names {
            self.ended(name, committed, written.filter(|_| has_events(name)));
        }
        Ok(committed.then_some(outcome))
    }

    fn lock(&mut self, names: &[Name]) {
        let cached = |name: &Name| {
            self.cached.get(name).map(|_| crate::store::CachedVersion { revision: 0, version: 0 })
        };
        let targets: Vec<_> = names.iter().map(|name| LockTarget { name, cached: cached(name) }).collect();
        let results = self.store.lock(&targets, LockWait::Skip).unwrap();
        for (name, result) in names.iter().zip(results) {
            match result {
                LockResult::Unchanged => {}
                LockResult::Loaded(loaded) => {
                    let LoadedResource { resource, stored_check_at, last_events, .. } = *loaded;
                    let entry = Entry { resource, stored_check_at, last_events };
                    self.cached.insert(Name::clone(name), entry);
                }
                LockResult::LockedElsewhere => panic!("nobody else is there"),
            }
        }
    }

    fn look_up(&mut self, ops: &[(Name, Op)]) {
        let acquired = |(name, op): &(Name, Op)| match op {
            Op::Acquire { key, .. } => Some((Name::clone(name), key.clone())),
            _ => None,
        };
        let acquired: Vec<_> = ops.iter().filter_map(acquired).collect();
        let keys: Vec<_> = acquired.iter().map(|(name, key)| (name, key)).collect();
        let claims = self.store.claims(&keys).unwrap();
        for ((name, key), claim) in acquired.into_iter().zip(claims) {
            let resource = &mut self.cached.get_mut(&name).unwrap().resource;
            if !resource.knows_claim(&key) {
                resource.provide_claim(key, claim);
            }
        }
    }

    fn execute(&mut self, now: Micros, ops: &[(Name, Op)]) -> (Outcome, Vec<(Name, Event)>) {
        let replicas = Replicas::single_node(ReplicaId(1), Micros(0));
        let limits =
            Limits { away_grace_ms: 300, idle_retention_ms: 80, holders_shown: 10, max_transitions: 3 };
        let context = Context { now, replicas: &replicas, limits: &limits };
        let (mut outcome, mut events) = (Outcome::default(), Vec::new());
        for (name, op) in ops {
            let mut effects = Effects::default();
            let resource = &mut self.cached.get_mut(name).unwrap().resource;
            let reply = loop {
                match resource.execute(op, &context, &mut effects) {
                    Err(Blocked::Need(need)) => provide(&mut self.store, name, need, resource),
                    other => break other,
                }
            };
            outcome.replies.push(format!("{reply:?}"));
            let granted = effects.wakes.iter().map(|wake| match &wake.outcome {
                dlm_engine::WaitOutcome::Granted(claim) => Some(claim),
                dlm_engine::WaitOutcome::Ended(_) => None,
            });
            let at_once = match &reply {
                Ok(Ok(dlm_engine::Reply::Lease(claim))) => Some(claim),
                _ => None,
            };
            for claim in granted.chain([at_once]).flatten() {
                let token = claim.lease().unwrap().token;
                outcome.granted.push((Name::clone(name), claim.key.clone(), token));
            }
            events.extend(effects.events.into_iter().map(|event| (Name::clone(name), event)));
        }
        (outcome, events)
    }

    /// The COMMIT fails. Returns whether it was applied.
    fn break_connection(&mut self, end: End, written: Option<i64>) -> bool {
        match end {
            End::CommitUnclear => self.store.connection.commit().unwrap(),
            _ => self.store.connection.rollback(),
        }
        self.store.outcome_unknown = true;
        self.store.rollback();
        assert!(self.store.begin(LockWait::Skip).is_err());
        self.store.reconnect().unwrap();
        let last = self.store.last_batch().unwrap();
        let applied = written.is_some_and(|written| written == last);
        assert_eq!(applied, written.is_some() && end == End::CommitUnclear);
        applied || written.is_none()
    }

    /// A batch has ended; `events` is its number if it has events of this resource.
    fn ended(&mut self, name: &Name, committed: bool, events: Option<i64>) {
        let Some(Entry { resource, stored_check_at, last_events }) = self.cached.get_mut(name) else {
            return;
        };
        *last_events = events.unwrap_or(*last_events);
        if resource.row_change() != RowChange::Keep {
            *stored_check_at = Some(resource.check_at());
        }
        if !committed || !resource.committed() {
            self.cached.remove(name);
        }
    }

    /// Brings a part of the tables up to date. With `is_unclear` it commits, and that is not
    /// known.
    pub(super) fn apply(&mut self, budget: Budget, is_unclear: bool) {
        if !is_unclear {
            return self.store.apply_oldest(budget).unwrap();
        }
        self.store.begin_immediate().unwrap();
        let applied = apply::oldest(&mut self.store.connection, &self.store.tail, budget).unwrap();
        self.store.connection.commit().unwrap();
        self.store.tail.doubt(&applied);
    }

    /// The positions of the log rows with events of a resource, newest first, along their links.
    pub(super) fn history(&self, name: &str) -> Vec<i64> {
        let mut connection = DatabasePath::parse(&self.path).unwrap().connect(Duration::ZERO).unwrap();
        overlay::install(&mut connection).unwrap();
        let mut positions = Vec::new();
        let history = connection.transaction(|connection| {
            overlay::refresh(connection)?;
            log_page::history(connection, name, i64::MAX, &mut |row| {
                positions.push(row.position);
                true
            })
        });
        assert_eq!(history.unwrap().search_from, None, "the links end at the first events of {name}");
        positions
    }

    /// The same, by reading everything.
    pub(super) fn positions_with_events(&mut self, name: &str) -> Vec<i64> {
        let page = log_page::read(&mut self.store.connection, 0, i64::MAX).unwrap();
        assert!(!page.more);
        let has_events = |row: &&LogRow| row.decode().unwrap().iter().any(|event| event.resource == name);
        page.rows.iter().rev().filter(has_events).map(|row| row.position).collect()
    }

    /// All rows of all tables, once they are up to date.
    pub(super) fn dump(&mut self) -> Vec<String> {
        self.store.finish().unwrap();
        let tables = ["resources", "claims", "floors", "log", "journal", "writers"];
        tables.iter().flat_map(|table| dump(&mut self.store.connection, table)).collect()
    }
}

/// What the open batch changes of a resource.
fn write_of<'a>(cached: &'a Cached, name: &'a Name, has_events: bool) -> Option<ResourceWrite<'a>> {
    let Entry { resource, stored_check_at, last_events } = &cached[name];
    let (row, claims) = (resource.row_change(), resource.claim_changes().collect::<Vec<_>>());
    let is_changed = row != RowChange::Keep || !claims.is_empty();
    let (stored_check_at, last_events) = (*stored_check_at, *last_events);
    is_changed.then_some(ResourceWrite { name, row, stored_check_at, last_events, has_events, claims })
}

fn provide(store: &mut SqliteStore, name: &Name, need: Need, resource: &mut Resource) {
    store.provide(name, need, resource).unwrap();
}

#[derive(QueryableByName)]
struct TextRow {
    #[diesel(sql_type = Text)]
    text: String,
}

fn dump(connection: &mut SqliteConnection, table: &str) -> Vec<String> {
    let mut texts = |sql: String| {
        let rows: Vec<TextRow> = diesel::sql_query(sql).load(&mut *connection).unwrap();
        rows.into_iter().map(|row| row.text).collect::<Vec<_>>()
    };
    let columns = texts(format!("SELECT 'quote(' || name || ')' AS text FROM pragma_table_info('{table}')"));
    let row = columns.join(" || ' ' || ");
    texts(format!("SELECT '{table} ' || {row} AS text FROM {table} ORDER BY text"))
}
