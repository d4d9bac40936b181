//! The client thread and its event loop.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::command::WorkerCommand;
use super::context::WorkerContext;
use super::handle::Handle;
use super::release::release;
use super::renewal_batch::{self, RenewalOutcome};
use super::renewals::Renewer;
use super::thread::{ClientThread, Inbox};
use crate::clock::{BootInstant, Clock};
use crate::error::Error;
use crate::transport::{SessionEvent, Transport};

/// The most commands taken from the inbox at once.
const MAX_COMMANDS: usize = 256;

impl Handle {
    /// Creates a handle. The thread is started when it first has something to do.
    pub(crate) fn lazy(transport: Transport, request_timeout: Duration, clock: Clock) -> Self {
        let (commands, inbox) = mpsc::unbounded_channel();
        let context = WorkerContext {
            transport,
            clock,
            request_timeout,
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            held_names: Arc::default(),
            thread: ClientThread::new(inbox),
        };
        Self::new(commands, Arc::new(context))
    }

    pub(super) fn start_thread(&self) {
        self.context().thread.start_once(|inbox| {
            let (context, commands) = (Arc::clone(self.context()), self.commands.downgrade());
            let spawned = std::thread::Builder::new()
                .name("dlm-client".into())
                .spawn(move || run_thread(&context, inbox, &commands));
            if let Err(why) = spawned {
                self.context().thread.failed(&why);
            }
        });
    }

    /// Ends all waits for locks, and waits for pending releases for at most
    /// `timeout`.
    pub(crate) async fn close(&self, timeout: Duration) -> Result<(), Error> {
        self.context().closing.cancel();
        if !self.context().thread.is_started() {
            return Ok(());
        }
        let (done, receiver) = oneshot::channel();
        self.send(WorkerCommand::Flush { timeout, done });
        // A thread that has ended has no pending releases.
        receiver.await.unwrap_or(Ok(()))
    }
}

fn run_thread(
    context: &Arc<WorkerContext>,
    inbox: Inbox,
    commands: &mpsc::WeakUnboundedSender<WorkerCommand>,
) {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            runtime.block_on(run(context, inbox, commands.clone()));
            context.transport.servers().authenticator().stop();
            // A token provider or a name lookup that hangs must not keep the thread.
            runtime.shutdown_background();
        }
        Err(why) => context.thread.failed(&why),
    }
}

async fn run(
    context: &Arc<WorkerContext>,
    mut inbox: Inbox,
    commands: mpsc::WeakUnboundedSender<WorkerCommand>,
) {
    let mut worker = WorkerLoop {
        context,
        tasks: context.tasks.clone(),
        detached_tasks: TaskTracker::new(),
        renewals: Renewer::new(context.now()),
        in_flight: FuturesUnordered::new(),
        flushes: FuturesUnordered::new(),
    };
    let session_context = Arc::clone(context);
    worker.detached_tasks.spawn(async move {
        let notify = |event| {
            // Without a sender all clients and guards are dropped.
            if let Some(commands) = commands.upgrade() {
                let _ = commands.send(WorkerCommand::Session(event));
            }
        };
        session_context.transport.run_session(notify).await;
    });
    let mut batch = Vec::with_capacity(MAX_COMMANDS);
    loop {
        let wakeup = worker.renewals.next_wakeup();
        tokio::select! {
            count = inbox.recv_many(&mut batch, MAX_COMMANDS) => {
                if count == 0 {
                    break;
                }
                for command in batch.drain(..) {
                    worker.handle(command);
                }
            }
            Some(outcome) = worker.in_flight.next() => worker.complete_renewals(outcome),
            Some(flush) = worker.flushes.next() => {
                // The task that ended last may have sent a release, such as that
                // of a guard whose caller gave up.
                while let Ok(command) = inbox.try_recv() {
                    worker.handle(command);
                }
                worker.check_flush(flush);
            }
            () = sleep_until(&context.clock, wakeup) => {}
        }
        worker.send_due_renewals();
    }
    // All clients and guards are dropped. Finish their releases and cancels.
    worker.tasks.close();
    worker.tasks.wait().await;
}

/// A caller that waits for all tasks to complete.
struct PendingFlush {
    deadline: BootInstant,
    done: oneshot::Sender<Result<(), Error>>,
}

struct WorkerLoop<'a> {
    context: &'a Arc<WorkerContext>,
    tasks: TaskTracker,
    /// Tasks that end with the thread. Nothing waits for them.
    detached_tasks: TaskTracker,
    renewals: Renewer,
    in_flight: FuturesUnordered<BoxFuture<'static, RenewalOutcome>>,
    /// Apart from `tasks`, which they wait for.
    flushes: FuturesUnordered<BoxFuture<'static, PendingFlush>>,
}

impl WorkerLoop<'_> {
    fn handle(&mut self, command: WorkerCommand) {
        match command {
            WorkerCommand::Spawn(task) => {
                self.tasks.spawn(task);
            }
            WorkerCommand::SpawnDetached(task) => {
                self.detached_tasks.spawn(task);
            }
            WorkerCommand::Session(SessionEvent::Up) => self.renewals.renew_all(self.context.now()),
            WorkerCommand::Session(SessionEvent::LeaseEnded(ended)) => {
                self.renewals.lease_ended(ended, self.context.now());
            }
            WorkerCommand::Session(SessionEvent::ReleaseRequested(notice)) => {
                self.renewals.release_requested(&notice);
            }
            WorkerCommand::Watch { lease, socket } => {
                let session_knows = self.session_knows(socket);
                self.renewals.watch(lease, session_knows, self.context.now());
            }
            WorkerCommand::Unwatch(lease) => self.renewals.unwatch(&lease, self.context.now()),
            WorkerCommand::Release(pending, first) => {
                self.renewals.unwatch(&pending.lease, self.context.now());
                self.tasks.spawn(release(Arc::clone(self.context), pending, first));
            }
            WorkerCommand::Renew(lease, caller) => {
                self.renewals.renew_now(&lease, caller, self.context.now());
            }
            WorkerCommand::Flush { timeout, done } => {
                self.tasks.close();
                self.flush(PendingFlush { deadline: self.context.now() + timeout, done });
            }
        }
    }

    fn complete_renewals(&mut self, outcome: RenewalOutcome) {
        let session_knows = self.session_knows(outcome.socket());
        for pending in self.renewals.complete(outcome, session_knows, self.context.now()) {
            self.tasks.spawn(release(Arc::clone(self.context), pending, None));
        }
    }

    /// Whether the server associates a lease that was granted or renewed while
    /// `socket` was up with the current socket. It reports the end of a lease only
    /// to those sockets. True also if there is no socket.
    fn session_knows(&self, socket: Option<u64>) -> bool {
        let current = self.context.transport.socket();
        current.is_none() || current == socket
    }

    /// Waits for the current tasks, up to the deadline.
    fn flush(&self, flush: PendingFlush) {
        let tasks = self.tasks.clone();
        let timeout = flush.deadline.duration_since(self.context.now());
        self.flushes.push(Box::pin(async move {
            // `check_flush` checks whether they have completed.
            let _ = tokio::time::timeout(timeout, tasks.wait()).await;
            flush
        }));
    }

    fn check_flush(&self, flush: PendingFlush) {
        let complete = self.tasks.is_empty();
        if !complete && self.context.now() < flush.deadline {
            return self.flush(flush);
        }
        // The caller may have given up.
        let _ = flush.done.send(if complete { Ok(()) } else { Err(Error::close_timed_out()) });
    }

    fn send_due_renewals(&mut self) {
        let due = self.renewals.take_due(self.context.now(), self.context.renewal_limits());
        for batch in due {
            self.in_flight.push(Box::pin(renewal_batch::send(Arc::clone(self.context), batch)));
        }
    }
}

async fn sleep_until(clock: &Clock, wakeup: Option<BootInstant>) {
    match wakeup {
        Some(wakeup) => clock.sleep_until(wakeup).await,
        None => pending().await,
    }
}
