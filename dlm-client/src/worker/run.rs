use std::future::pending;
use std::io;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::batch::{self, Answered};
use super::handle::{Command, Shared};
use super::release::release;
use super::renewals::Renewals;
use crate::clock::{Moment, nap};
use crate::error::Error;
use crate::transport::{News, serve_session};

/// Commands taken from the inbox at once.
const COMMANDS: usize = 256;

type Inbox = mpsc::UnboundedReceiver<Command>;

/// The body of the thread.
pub(super) fn thread(
    shared: &Arc<Shared>,
    inbox: Inbox,
    news: &mpsc::WeakUnboundedSender<Command>,
    started: oneshot::Sender<io::Result<()>>,
) {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let _ = started.send(Ok(()));
            runtime.block_on(run(shared, inbox, news.clone()));
        }
        Err(why) => {
            let _ = started.send(Err(why));
        }
    }
}

async fn run(shared: &Arc<Shared>, mut inbox: Inbox, news: mpsc::WeakUnboundedSender<Command>) {
    let mut worker = Worker {
        shared,
        tasks: TaskTracker::new(),
        companions: TaskTracker::new(),
        renewals: Renewals::new(Moment::now()),
        on_the_way: FuturesUnordered::new(),
        flushes: FuturesUnordered::new(),
    };
    let session = Arc::clone(shared);
    worker.companions.spawn(async move {
        let tell = |told| {
            // A client that is gone holds nothing that could be lost.
            if let Some(commands) = news.upgrade() {
                let _ = commands.send(Command::News(told));
            }
        };
        serve_session(&session.transport, tell).await;
    });
    let mut commands = Vec::with_capacity(COMMANDS);
    loop {
        let wake = worker.renewals.next_wake();
        tokio::select! {
            taken = inbox.recv_many(&mut commands, COMMANDS) => {
                if taken == 0 {
                    break;
                }
                for command in commands.drain(..) {
                    worker.obey(command);
                }
            }
            Some(answered) = worker.on_the_way.next() => worker.answered(answered),
            Some(flush) = worker.flushes.next() => {
                // What ended last may have left a release there, such as that of a
                // guard that nobody takes any more.
                while let Ok(command) = inbox.try_recv() {
                    worker.obey(command);
                }
                worker.flushed(flush);
            }
            () = nap_until(wake) => {}
        }
        worker.renew_due();
    }
    // No client and no guard is left; what they left to send is sent.
    worker.tasks.close();
    worker.tasks.wait().await;
}

/// Who waits for all releases to be sent, and until when.
struct Flush {
    until: Moment,
    done: oneshot::Sender<Result<(), Error>>,
}

struct Worker<'a> {
    shared: &'a Arc<Shared>,
    tasks: TaskTracker,
    /// What lives as long as the thread does; nobody waits for it.
    companions: TaskTracker,
    renewals: Renewals,
    on_the_way: FuturesUnordered<BoxFuture<'static, Answered>>,
    /// Not among the tasks, for which they wait.
    flushes: FuturesUnordered<BoxFuture<'static, Flush>>,
}

impl Worker<'_> {
    fn obey(&mut self, command: Command) {
        match command {
            Command::Run(work) => {
                self.tasks.spawn(work);
            }
            Command::Accompany(work) => {
                self.companions.spawn(work);
            }
            Command::News(News::Up) => self.renewals.renew_all(Moment::now()),
            Command::News(News::LeaseEnded(ended)) => self.renewals.ended(ended, Moment::now()),
            Command::Watch { held, socket } => {
                let known = self.is_known_over(socket);
                self.renewals.watch(held, known, Moment::now());
            }
            Command::Forget(held) => self.renewals.forget(&held),
            Command::Release(release_of) => {
                self.renewals.forget(&release_of.held);
                self.tasks.spawn(release(Arc::clone(self.shared), release_of));
            }
            Command::Renew(held, ask) => self.renewals.ask(&held, ask, Moment::now()),
            Command::Flush { timeout, done } => {
                self.tasks.close();
                self.flush(Flush { until: Moment::now().plus(timeout), done });
            }
        }
    }

    fn answered(&mut self, answered: Answered) {
        let known = self.is_known_over(answered.socket);
        self.renewals.answered(answered, known, Moment::now());
    }

    /// Whether the session, where one is up, knows of what was asked when
    /// `socket` was: it tells of the end of these leases alone.
    fn is_known_over(&self, socket: Option<u64>) -> bool {
        let now = self.shared.transport.socket();
        now.is_none() || now == socket
    }

    /// Waits for the tasks there are, for as long as is left.
    fn flush(&self, flush: Flush) {
        let tasks = self.tasks.clone();
        self.flushes.push(Box::pin(async move {
            let left = flush.until.since(Moment::now());
            // Whether they have ended is looked at again.
            let _ = tokio::time::timeout(left, tasks.wait()).await;
            flush
        }));
    }

    fn flushed(&self, flush: Flush) {
        let flushed = self.tasks.is_empty();
        if !flushed && Moment::now() < flush.until {
            return self.flush(flush);
        }
        // Nobody reads it when the close was given up.
        let _ = flush.done.send(if flushed { Ok(()) } else { Err(Error::flush_timed_out()) });
    }

    fn renew_due(&mut self) {
        for batch in self.renewals.due(Moment::now(), self.shared.request_timeout) {
            self.on_the_way.push(Box::pin(batch::send(Arc::clone(self.shared), batch)));
        }
    }
}

/// Until it is worth looking again.
async fn nap_until(wake: Option<Moment>) {
    match wake {
        Some(wake) => tokio::time::sleep(nap(Moment::now(), wake)).await,
        None => pending().await,
    }
}
