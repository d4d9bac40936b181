//! The batching writer: one thread, one connection, one transaction for all
//! that has queued up.
//!
//! It takes the first job that waits, drains whatever else is there, runs all
//! of it in one transaction and answers everyone after the commit. One busy
//! commit pays for hundreds of operations; a lone one waits for nobody.
//!
//! - `job`: what can be asked of a writer, and its answers
//! - `thread`: what a writer does with them, batch after batch
//! - `batch`: one transaction, from its jobs to its commit
//! - `delivery`: answers and wakes, once a batch is committed
//! - `parked`: who waits here to be woken
//! - `put_off`: tasks on resources that another replica was at
//! - `cache`: the resources between batches
//! - `log_row`: the events of a batch as they are stored
//!
//! **Architecture Invariant:** nothing leaves before the commit: no answer, no
//! event, no wake.

mod batch;
mod cache;
mod delivery;
mod job;
mod log_row;
mod parked;
mod put_off;
mod thread;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use dlm_engine::{ClaimKey, Limits};
use tokio::sync::oneshot;

use crate::ended::Holders;
use crate::feed::Feed;
use crate::members::Members;
use crate::metrics::Metrics;
use crate::store::{Cluster, Name, Store, StoreError};
use crate::sweeper::Alarm;
use cache::Cache;
use job::Job;
use put_off::PutOff;
use thread::Core;

pub(crate) use job::{Answer, Caller, Done, Execute, Failure, Leave, RequestId};
pub(crate) use log_row::LoggedEvent;
pub(crate) use parked::Parked;

/// Most jobs that wait for the writer; more are refused at once.
const MAX_QUEUED: usize = 50_000;

/// Where jobs are handed in.
#[derive(Debug, Clone)]
struct Writer {
    jobs: mpsc::Sender<Job>,
    queued: Arc<AtomicUsize>,
}

/// Why a job was not taken.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NotTaken {
    /// Too much is waiting already.
    Busy,
    /// The writer has stopped.
    Stopped,
}

impl Writer {
    fn send(&self, job: Job) -> Result<(), NotTaken> {
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.jobs.send(job).map_err(|_| NotTaken::Stopped)
    }
}

/// All writers; a resource always goes to the same.
#[derive(Debug, Clone)]
pub(crate) struct Writers(Arc<[Writer]>);

impl Writers {
    /// Hands in an operation; its caller will be answered.
    pub(crate) fn execute(&self, execute: Execute) -> Result<(), NotTaken> {
        let writer = self.of(&execute.name);
        if writer.queued.load(Ordering::Relaxed) >= MAX_QUEUED {
            return Err(NotTaken::Busy);
        }
        writer.send(Job::Execute(execute))
    }

    /// A request of a waiter is held open no longer.
    pub(crate) fn leave(&self, leave: Leave) -> Result<(), NotTaken> {
        self.of(&leave.name).send(Job::Leave(leave))
    }

    /// Has a wait that is held open here looked at again.
    pub(crate) fn recheck(&self, name: Name, key: ClaimKey) -> Result<(), NotTaken> {
        self.of(&name).send(Job::Recheck(name, key))
    }

    /// Has a chore done between two batches.
    pub(crate) async fn chore<T: Send + 'static>(
        &self,
        chore: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let stopped = || StoreError::Unavailable("the writer has stopped".into());
        let (done, result) = oneshot::channel();
        let job = Job::Chore(Box::new(move |store| {
            // Nobody listens when the server stops.
            done.send(chore(store)).ok();
        }));
        self.0[0].send(job).map_err(|_| stopped())?;
        result.await.map_err(|_| stopped())?
    }

    /// Has all writers finish what came before, and end.
    pub(crate) fn stop(&self) {
        for writer in &*self.0 {
            // One that has ended needs no telling.
            writer.send(Job::Stop).ok();
        }
    }

    fn of(&self, name: &Name) -> &Writer {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        &self.0[(hasher.finish() % self.0.len() as u64) as usize]
    }
}

/// What a writer works with.
pub(crate) struct Setup {
    pub(crate) members: Arc<Members>,
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) parked: Arc<Parked>,
    pub(crate) holders: Arc<Holders>,
    pub(crate) feed: Feed,
    pub(crate) limits: Arc<Limits>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) alarm: Arc<Alarm>,
}

/// Starts a writer on each store. Their threads end on [`Writers::stop`], after
/// the last job before it.
pub(crate) fn start(
    stores: Vec<Box<dyn Store>>,
    setup: &Setup,
) -> std::io::Result<(Writers, Vec<JoinHandle<()>>)> {
    let mut writers = Vec::new();
    let mut threads = Vec::new();
    for (number, store) in stores.into_iter().enumerate() {
        let (jobs, queue) = mpsc::channel();
        let queued = Arc::new(AtomicUsize::new(0));
        writers.push(Writer { jobs, queued: Arc::clone(&queued) });
        let core = Core {
            store,
            answered: 0,
            cache: Cache::new(!setup.cluster.is_shared()),
            put_off: PutOff::default(),
            left: Vec::new(),
            parked: Arc::clone(&setup.parked),
            holders: Arc::clone(&setup.holders),
            feed: setup.feed.clone(),
            members: Arc::clone(&setup.members),
            cluster: Arc::clone(&setup.cluster),
            limits: Arc::clone(&setup.limits),
            metrics: Arc::clone(&setup.metrics),
            alarm: Arc::clone(&setup.alarm),
        };
        let thread = std::thread::Builder::new().name(format!("dlm-writer-{number}"));
        threads.push(thread.spawn(move || core.serve(&queue, &queued))?);
    }
    Ok((Writers(writers.into()), threads))
}
