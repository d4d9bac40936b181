//! A bounded queue of log lines, and the thread that writes them.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines beyond this many bytes in the queue are dropped.
const MAX_QUEUED_BYTES: usize = 4 << 20;

static LINES_DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Counts the log lines of this process that could not be written.
pub(crate) fn lines_dropped() -> Counter {
    LINES_DROPPED.clone()
}

/// Log lines that wait to be written.
#[derive(Debug)]
pub(super) struct LineQueue {
    state: Mutex<State>,
    queued: Condvar,
    written: Condvar,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct State {
    /// Whole lines.
    text: Vec<u8>,
    /// How many lines that is.
    lines: u64,
    writing: bool,
    /// Lines that were dropped and are not reported in the log yet.
    unreported: u64,
}

impl LineQueue {
    /// Starts the thread that writes to `output`. `dropped` counts the lines that
    /// are not written.
    pub(super) fn start(output: impl Write + Send + 'static, dropped: Counter) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Self {
            state: Mutex::default(),
            queued: Condvar::new(),
            written: Condvar::new(),
            dropped,
        });
        let writing = Arc::clone(&queue);
        std::thread::Builder::new().name("dlm-log".into()).spawn(move || writing.write_to(output))?;
        Ok(queue)
    }

    /// Enqueues a line, or drops it if the queue is full. Never blocks on the output.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.state();
        if state.text.len() + line.len() > MAX_QUEUED_BYTES {
            self.drop_lines(&mut state, 1);
            return;
        }
        state.text.extend_from_slice(line);
        state.lines += 1;
        drop(state);
        self.queued.notify_one();
    }

    /// Waits until all lines are written, or until `within` has passed.
    pub(super) fn flush(&self, within: Duration) {
        let pending = |state: &mut State| state.writing || !state.text.is_empty();
        drop(self.written.wait_timeout_while(self.state(), within, pending));
    }

    fn write_to(&self, mut output: impl Write) {
        loop {
            let (text, lines) = self.next();
            // `write_all` retries an interrupted write and fails on any other error.
            let written = output.write_all(&text).and_then(|()| output.flush());
            let mut state = self.state();
            state.writing = false;
            if written.is_err() {
                self.drop_lines(&mut state, lines);
            } else if state.text.is_empty() && state.unreported > 0 {
                let lines = std::mem::take(&mut state.unreported);
                drop(state);
                tracing::warn!(lines, "log lines dropped");
            }
            self.written.notify_all();
        }
    }

    /// Takes all lines; waits until there are any.
    fn next(&self) -> (Vec<u8>, u64) {
        let empty = |state: &mut State| state.text.is_empty();
        let mut state = self.queued.wait_while(self.state(), empty).unwrap_or_else(PoisonError::into_inner);
        state.writing = true;
        (std::mem::take(&mut state.text), std::mem::take(&mut state.lines))
    }

    fn drop_lines(&self, state: &mut State, lines: u64) {
        state.unreported += lines;
        self.dropped.inc_by(lines);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the subscriber a writer for each line.
#[derive(Debug)]
pub(super) struct QueueWriter(pub(super) Arc<LineQueue>);

/// Enqueues what is written; the subscriber writes a whole line at once.
#[derive(Debug)]
pub(super) struct LineWriter<'a>(&'a LineQueue);

impl<'a> MakeWriter<'a> for QueueWriter {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter(&self.0)
    }
}

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.open.recv().expect("the test lives")?;
            self.written.send(bytes.to_vec()).expect("the test lives");
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn queue() -> (Arc<LineQueue>, mpsc::Sender<io::Result<()>>, mpsc::Receiver<Vec<u8>>) {
        let (opener, open) = mpsc::channel();
        let (written, output) = mpsc::channel();
        (LineQueue::start(Gate { open, written }, Counter::default()).unwrap(), opener, output)
    }

    #[test]
    fn an_output_that_blocks_neither_blocks_a_caller_nor_takes_unlimited_memory() {
        let (queue, open, output) = queue();
        let line = vec![b'x'; 1 << 16];
        let pushed = 2 * MAX_QUEUED_BYTES / line.len();
        for _ in 0..pushed {
            queue.push(&line);
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
        queue.push(b"lost\n");
        open.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
        queue.flush(Duration::MAX);
        queue.push(b"kept\n");
        open.send(Ok(())).unwrap();
        queue.flush(Duration::MAX);
        assert_eq!(output.try_iter().collect::<Vec<_>>(), [b"kept\n".to_vec()]);
        assert_eq!(queue.dropped.get(), 1);
    }
}
