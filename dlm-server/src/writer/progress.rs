//! Whether a writer makes progress. A database may not respond at all, for example
//! on a disk that hangs. The writer's thread then waits for it, but callers must not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dlm_protocol::limits::MAX_HOLD_MS;
use tokio::sync::oneshot;

use super::EnqueueError;
use crate::clock::since_boot;

/// How long one step of a writer may take. Some take seconds: on Postgres a COMMIT
/// may wait for a standby, and then the writer reconnects.
const STEP_WITHIN: Duration = Duration::from_secs(4);
/// A step that takes no longer is nothing unusual.
const PROMPT: Duration = Duration::from_millis(100);
/// How much longer it is watched before the writer counts as stalled: if the whole
/// process was stopped, the writer has not had its time.
const GRACE: Duration = Duration::from_millis(500);
/// The longest time to an answer of a writer that makes progress. On Postgres
/// another program may keep a row locked. Longer than requests are held: under
/// overload they leave before.
const ANSWER_WITHIN: Duration = Duration::from_millis(MAX_HOLD_MS + 1000);

/// What the callers of a writer see of its thread, or of that of the writer that executes its jobs.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The number of the current step.
    step: AtomicU64,
    /// When it began, in microseconds since boot. 0 while the writer is idle.
    began: AtomicU64,
    /// The last step that was found to take too long.
    stalled: AtomicU64,
    /// The writer that may execute the jobs of this one.
    first: Option<Arc<Self>>,
    /// Whether it does.
    is_lent: AtomicBool,
}

impl Progress {
    /// For a writer whose jobs another one may execute.
    pub(super) fn behind(first: Arc<Self>) -> Self {
        Self { first: Some(first), ..Self::default() }
    }

    /// Records whether the other writer executes the jobs of this one.
    pub(super) fn set_lent(&self, is_lent: bool) {
        self.is_lent.store(is_lent, Ordering::Release);
    }

    /// Whether the other writer executes the jobs of this one.
    pub(super) fn is_lent(&self) -> bool {
        self.is_lent.load(Ordering::Acquire)
    }

    /// The progress of the writer that executes the jobs.
    fn serving(&self) -> &Self {
        match &self.first {
            Some(first) if self.is_lent() => first,
            _ => self,
        }
    }

    /// The writer begins a step, such as a batch.
    pub(super) fn begin_step(&self) {
        // First the number: the new step must never look as if it had begun with the
        // previous one.
        self.step.fetch_add(1, Ordering::AcqRel);
        let now = u64::try_from(since_boot().as_micros()).unwrap_or(u64::MAX);
        self.began.store(now, Ordering::Release);
        if self.stalled.swap(0, Ordering::Relaxed) > 0 {
            tracing::info!("writer goes on: the database responds again");
        }
    }

    /// The writer waits for a job.
    pub(super) fn idle(&self) {
        self.began.store(0, Ordering::Release);
    }

    /// Whether the writer waits for a job, or has just begun a step.
    pub(super) fn is_prompt(&self) -> bool {
        STEP_WITHIN.saturating_sub(self.time_left()) < PROMPT
    }

    /// Whether the writer is known to be stalled. A new job would only wait.
    pub(super) fn is_stalled(&self) -> bool {
        let Self { step, began, stalled, .. } = self.serving();
        let stalled = stalled.load(Ordering::Relaxed);
        stalled > 0 && stalled == step.load(Ordering::Acquire) && began.load(Ordering::Acquire) > 0
    }

    /// Waits for the result of a job that was enqueued at `since`. `parked_until` is the
    /// instant at which the wait of its request ends, if the request is parked: until
    /// then it does not wait for the writer.
    ///
    /// # Errors
    ///
    /// If the writer has stopped or does not answer. The job may still be executed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no result is lost.
    pub(super) async fn answer<T>(
        &self,
        result: &mut oneshot::Receiver<T>,
        since: Duration,
        parked_until: impl Fn() -> Option<Duration>,
    ) -> Result<T, EnqueueError> {
        let mut due = since;
        let mut pause = self.time_left();
        loop {
            let left = (due + ANSWER_WITHIN).saturating_sub(since_boot());
            tokio::select! {
                biased;
                result = &mut *result => return result.map_err(|_| EnqueueError::Stopped),
                () = self.look_after(pause.min(left)) => {}
            }
            due = parked_until().unwrap_or(since);
            let now = since_boot();
            if now >= due && self.is_stalled() || now >= due + ANSWER_WITHIN {
                // It may have arrived just now.
                return result.try_recv().map_err(|_| EnqueueError::NoAnswer);
            }
            pause = due.saturating_sub(now).min(ANSWER_WITHIN).max(self.time_left());
        }
    }

    /// Sleeps. If the writer is in the same step before and after the last part of
    /// it, and the step takes too long, the writer is stalled.
    async fn look_after(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
        let serving = self.serving();
        let step = serving.step.load(Ordering::Acquire);
        if !serving.time_left().is_zero() || serving.is_stalled() {
            return;
        }
        tokio::time::sleep(GRACE).await;
        let same = serving.step.load(Ordering::Acquire) == step && serving.time_left().is_zero();
        if same && serving.stalled.swap(step, Ordering::Relaxed) != step {
            tracing::error!("writer stalled: the database does not respond");
        }
    }

    /// How much longer the current step may take.
    fn time_left(&self) -> Duration {
        match self.serving().began.load(Ordering::Acquire) {
            0 => STEP_WITHIN,
            began => (Duration::from_micros(began) + STEP_WITHIN).saturating_sub(since_boot()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOT_PARKED: fn() -> Option<Duration> = || None;

    /// The progress of a writer whose step began ten seconds ago.
    fn late() -> Arc<Progress> {
        let progress = Arc::<Progress>::default();
        progress.begin_step();
        let began = since_boot() - Duration::from_secs(10);
        progress.began.store(u64::try_from(began.as_micros()).unwrap(), Ordering::Release);
        progress
    }

    #[tokio::test]
    async fn callers_of_a_writer_that_hangs_get_no_answer() {
        let progress = late();
        let (_reply, mut result) = oneshot::channel::<()>();
        assert!(!progress.is_stalled());
        let answer = progress.answer(&mut result, since_boot(), NOT_PARKED).await;
        assert!(matches!(answer, Err(EnqueueError::NoAnswer)));
        assert!(progress.is_stalled());
        progress.begin_step();
        assert!(!progress.is_stalled());
    }

    #[tokio::test]
    async fn operation_that_the_writer_never_comes_to_gets_no_answer() {
        let progress = Progress::default();
        let (_reply, mut result) = oneshot::channel::<()>();
        let since = since_boot() - ANSWER_WITHIN;
        let answer = progress.answer(&mut result, since, NOT_PARKED).await;
        assert!(matches!(answer, Err(EnqueueError::NoAnswer)));
        assert!(!progress.is_stalled());
    }

    #[tokio::test]
    async fn callers_of_a_writer_whose_jobs_another_one_executes_learn_that_this_one_hangs() {
        let progress = Progress::behind(late());
        progress.set_lent(true);
        let (_reply, mut result) = oneshot::channel::<()>();
        let answer = progress.answer(&mut result, since_boot(), NOT_PARKED).await;
        assert!(matches!(answer, Err(EnqueueError::NoAnswer)));
        assert!(progress.is_stalled());
        progress.set_lent(false);
        assert!(!progress.is_stalled());
    }

    #[tokio::test]
    async fn parked_request_waits_on_although_the_writer_hangs() {
        let progress = late();
        let (reply, mut result) = oneshot::channel();
        let granted = async {
            tokio::time::sleep(4 * GRACE).await;
            reply.send(7).unwrap();
        };
        let wait_ends = since_boot() + Duration::from_secs(60);
        let answer = progress.answer(&mut result, since_boot(), || Some(wait_ends));
        let (answer, ()) = tokio::join!(answer, granted);
        assert_eq!(answer.unwrap(), 7);
    }

    #[tokio::test]
    async fn parked_request_gets_no_answer_once_its_wait_ends_while_the_writer_hangs() {
        let progress = late();
        let (_reply, mut result) = oneshot::channel::<()>();
        let wait_ends = since_boot() + 2 * GRACE;
        let answer = progress.answer(&mut result, since_boot(), || Some(wait_ends)).await;
        assert!(matches!(answer, Err(EnqueueError::NoAnswer)));
        assert!(since_boot() >= wait_ends);
    }

    #[tokio::test]
    async fn wait_that_the_writer_ends_late_is_answered() {
        let progress = Progress::default();
        let (reply, mut result) = oneshot::channel();
        let ended = async {
            tokio::time::sleep(2 * GRACE).await;
            reply.send(7).unwrap();
        };
        let (began, wait_ends) = (since_boot() - 2 * ANSWER_WITHIN, since_boot());
        let (answer, ()) = tokio::join!(progress.answer(&mut result, began, || Some(wait_ends)), ended);
        assert_eq!(answer.unwrap(), 7);
    }

    #[tokio::test]
    async fn writer_of_a_process_that_was_stopped_does_not_count_as_stalled() {
        let progress = late();
        let (reply, mut result) = oneshot::channel();
        let writer = async {
            tokio::time::sleep(GRACE / 5).await;
            progress.begin_step();
            tokio::time::sleep(2 * GRACE).await;
            reply.send(7).unwrap();
        };
        let (answer, ()) = tokio::join!(progress.answer(&mut result, since_boot(), NOT_PARKED), writer);
        assert_eq!(answer.unwrap(), 7);
        assert!(!progress.is_stalled());
    }
}
