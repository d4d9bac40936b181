//! A bounded queue of lines, and the thread that writes them. No caller ever waits for the
//! output: it may be a full disk, or a pipe that nobody reads.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::oneshot;

/// Lines beyond this many bytes in the queue are dropped.
pub(crate) const MAX_QUEUED_BYTES: usize = 4 << 20;

/// Where the lines go.
pub(crate) trait LineOutput: Send + 'static {
    /// Writes whole lines.
    fn write(&mut self, lines: &[u8]) -> io::Result<()>;

    /// Makes durable what was written. Called only if somebody waits for it.
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Opens the output again: somebody may have moved it away.
    fn reopen(&mut self) {}

    /// Reports dropped lines. `written` is the result of the last write, and `caught_up`
    /// whether the queue is empty. Returns `false` to be asked again after the next write.
    fn report(&mut self, dropped: u64, written: io::Result<()>, caught_up: bool) -> bool;
}

/// Lines that wait to be written.
#[derive(Debug)]
pub(crate) struct LineQueue {
    state: Mutex<State>,
    changed: Condvar,
    written: Condvar,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct State {
    next: Batch,
    writing: bool,
    /// Lines that were dropped and are not reported yet.
    unreported: u64,
}

/// What is written together.
#[derive(Debug, Default)]
struct Batch {
    /// Whole lines.
    text: Vec<u8>,
    /// How many lines that is.
    lines: u64,
    /// The callers that wait until the lines are durable.
    waiting: Vec<oneshot::Sender<bool>>,
    /// Whether to open the output again before.
    reopen: bool,
}

impl LineQueue {
    /// Starts the thread that writes to `output`. `dropped` counts the lines that are not
    /// written.
    pub(crate) fn start(thread: &str, output: impl LineOutput, dropped: Counter) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            written: Condvar::new(),
            dropped,
        });
        let writing = Arc::clone(&queue);
        std::thread::Builder::new().name(thread.into()).spawn(move || writing.write_to(output))?;
        Ok(queue)
    }

    /// Enqueues a line, or drops it if there would be more than `max_queued` bytes. Never
    /// blocks on the output.
    pub(crate) fn push(&self, line: &[u8], max_queued: usize) {
        let mut state = self.state();
        if state.next.text.len() + line.len() > max_queued {
            self.drop_lines(&mut state, 1);
            return;
        }
        state.next.push(line);
        drop(state);
        self.changed.notify_one();
    }

    /// Enqueues a line, however many there are. The result is whether it is durable: `true`
    /// once it is written and synced.
    pub(crate) fn push_durably(&self, line: &[u8]) -> oneshot::Receiver<bool> {
        let (sender, durable) = oneshot::channel();
        let mut state = self.state();
        state.next.push(line);
        state.next.waiting.push(sender);
        drop(state);
        self.changed.notify_one();
        durable
    }

    /// Has the output opened again before the next line is written.
    pub(crate) fn reopen(&self) {
        self.state().next.reopen = true;
        self.changed.notify_one();
    }

    /// Waits until all lines are written, or until `within` has passed.
    pub(crate) fn flush(&self, within: Duration) {
        let pending = |state: &mut State| state.writing || !state.next.is_empty();
        drop(self.written.wait_timeout_while(self.state(), within, pending));
    }

    fn write_to(&self, mut output: impl LineOutput) {
        loop {
            let batch = self.next();
            if batch.reopen {
                output.reopen();
            }
            let mut written = if batch.text.is_empty() { Ok(()) } else { output.write(&batch.text) };
            if written.is_ok() && !batch.waiting.is_empty() {
                written = output.sync();
            }
            for waiting in batch.waiting {
                waiting.send(written.is_ok()).ok();
            }
            let mut state = self.state();
            state.writing = false;
            if written.is_err() {
                self.drop_lines(&mut state, batch.lines);
            }
            let (unreported, caught_up) = (state.unreported, state.next.is_empty());
            drop(state);
            if unreported > 0 && output.report(unreported, written, caught_up) {
                self.state().unreported -= unreported;
            }
            self.written.notify_all();
        }
    }

    /// Takes everything that waits; waits until there is something.
    fn next(&self) -> Batch {
        let empty = |state: &mut State| state.next.is_empty();
        let mut state = self.changed.wait_while(self.state(), empty).unwrap_or_else(PoisonError::into_inner);
        state.writing = true;
        std::mem::take(&mut state.next)
    }

    fn drop_lines(&self, state: &mut State, lines: u64) {
        state.unreported += lines;
        self.dropped.inc_by(lines);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn push(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.lines += 1;
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty() && !self.reopen
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// An output that takes a write only when the test lets it.
    struct Gate {
        open: mpsc::Receiver<io::Result<()>>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl LineOutput for Gate {
        fn write(&mut self, lines: &[u8]) -> io::Result<()> {
            self.open.recv().expect("the test lives")?;
            self.written.send(lines.to_vec()).expect("the test lives");
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            self.written.send(b"syncing".to_vec()).expect("the test lives");
            self.open.recv().expect("the test lives")
        }

        fn reopen(&mut self) {
            self.written.send(b"reopened".to_vec()).expect("the test lives");
        }

        fn report(&mut self, _: u64, written: io::Result<()>, _: bool) -> bool {
            written.is_ok()
        }
    }

    fn queue() -> (Arc<LineQueue>, mpsc::Sender<io::Result<()>>, mpsc::Receiver<Vec<u8>>) {
        let (opener, open) = mpsc::channel();
        let (written, output) = mpsc::channel();
        (LineQueue::start("test", Gate { open, written }, Counter::default()).unwrap(), opener, output)
    }

    fn broken() -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    #[test]
    fn an_output_that_blocks_neither_blocks_a_caller_nor_takes_unlimited_memory() {
        let (queue, open, output) = queue();
        let line = vec![b'x'; 1 << 16];
        let pushed = 2 * MAX_QUEUED_BYTES / line.len();
        for _ in 0..pushed {
            queue.push(&line, MAX_QUEUED_BYTES);
        }
        let dropped = queue.dropped.get();
        assert!(dropped > 0);
        queue.flush(Duration::from_millis(10));
        for _ in 0..pushed {
            open.send(Ok(())).unwrap();
        }
        queue.flush(Duration::MAX);
        let written: usize = output.try_iter().map(|text| text.len()).sum();
        assert_eq!(written + dropped as usize * line.len(), pushed * line.len());
    }

    #[test]
    fn a_line_that_cannot_be_written_is_dropped_and_the_next_one_is_written() {
        let (queue, open, output) = queue();
        queue.push(b"lost\n", MAX_QUEUED_BYTES);
        open.send(broken()).unwrap();
        queue.flush(Duration::MAX);
        queue.push(b"kept\n", MAX_QUEUED_BYTES);
        open.send(Ok(())).unwrap();
        queue.flush(Duration::MAX);
        assert_eq!(output.try_iter().collect::<Vec<_>>(), [b"kept\n".to_vec()]);
        assert_eq!(queue.dropped.get(), 1);
    }

    #[test]
    fn a_durable_line_has_room_in_a_full_queue_and_waits_for_the_sync() {
        let (queue, open, output) = queue();
        queue.push(b"first\n", MAX_QUEUED_BYTES);
        // The rest is the second write, however late the thread starts.
        while !queue.state().writing {
            std::thread::yield_now();
        }
        let line = vec![b'x'; 1 << 20];
        while queue.dropped.get() == 0 {
            queue.push(&line, MAX_QUEUED_BYTES);
        }
        let mut durable = queue.push_durably(b"durable\n");
        for _ in 0..2 {
            open.send(Ok(())).unwrap();
        }
        assert_eq!(output.recv().unwrap(), b"first\n");
        assert!(output.recv().unwrap().ends_with(b"durable\n"));
        assert_eq!(output.recv().unwrap(), b"syncing");
        assert!(durable.try_recv().is_err(), "written, and not synced yet");
        open.send(Ok(())).unwrap();
        assert!(durable.blocking_recv().unwrap());
    }

    #[test]
    fn a_line_that_is_not_written_or_not_synced_is_not_durable() {
        let (queue, open, _output) = queue();
        for (write, sync) in [(broken(), None), (Ok(()), Some(broken()))] {
            let durable = queue.push_durably(b"x\n");
            for result in [Some(write), sync].into_iter().flatten() {
                open.send(result).unwrap();
            }
            assert!(!durable.blocking_recv().unwrap());
        }
        queue.flush(Duration::MAX);
        assert_eq!(queue.dropped.get(), 2);
    }

    #[test]
    fn the_output_is_opened_again_before_the_next_line() {
        let (queue, open, output) = queue();
        queue.reopen();
        queue.flush(Duration::MAX);
        assert_eq!(output.recv().unwrap(), b"reopened");
        queue.push(b"line\n", MAX_QUEUED_BYTES);
        open.send(Ok(())).unwrap();
        assert_eq!(output.recv().unwrap(), b"line\n");
    }
}
