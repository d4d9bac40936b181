//! The messages between servers, as any client of the database can receive them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use super::postgres::program;

/// Collects the messages until it is dropped.
#[derive(Debug)]
pub(crate) struct PeerMessages {
    psql: Child,
    output: Arc<Mutex<String>>,
}

impl PeerMessages {
    /// Starts to listen. The output contains `listening` from then on.
    pub(crate) fn listen(url: &str) -> Self {
        let mut psql = Command::new(program("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("psql runs");
        // psql reports messages after each statement.
        let mut script = String::from("LISTEN dlm_waits; SELECT 'listening';\n");
        script.push_str(&"SELECT pg_sleep(0.05);\n".repeat(600));
        let mut input = psql.stdin.take().expect("its standard input");
        std::thread::spawn(move || input.write_all(script.as_bytes()));
        let lines = BufReader::new(psql.stdout.take().expect("its standard output")).lines();
        let output = Arc::<Mutex<String>>::default();
        let sink = Arc::clone(&output);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                sink.lock().expect("the output").push_str(&(line + "\n"));
            }
        });
        Self { psql, output }
    }

    pub(crate) fn contain(&self, text: &str) -> bool {
        self.output.lock().expect("the output").contains(text)
    }
}

impl Drop for PeerMessages {
    fn drop(&mut self) {
        self.psql.kill().ok();
        self.psql.wait().ok();
    }
}
