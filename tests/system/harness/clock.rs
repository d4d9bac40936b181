//! Fake wall clocks, by way of libfaketime.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A wall clock that can be set. It applies to processes that are started with
/// its environment.
pub(crate) struct FakeClock {
    directory: TempDir,
}

impl FakeClock {
    /// A clock with this offset in hours.
    pub(crate) fn off_by(hours: i64) -> Self {
        Self::off_by_seconds(hours * 3600)
    }

    pub(crate) fn off_by_seconds(seconds: i64) -> Self {
        let clock = Self { directory: tempfile::tempdir().expect("a directory") };
        clock.step_to_seconds(seconds);
        // Without a working libfaketime the tests would pass without testing anything.
        let date = Command::new("date").arg("+%s").envs(clock.environment()).output().expect("date runs");
        let shown: i64 = String::from_utf8_lossy(&date.stdout).trim().parse().expect("seconds");
        let offset = shown - super::wall_clock_micros() / 1_000_000;
        assert!((offset - seconds).abs() < 10, "the clock is {offset} s off");
        clock
    }

    /// Steps the clock to this offset in hours, also for processes that already run.
    pub(crate) fn step_to(&self, hours: i64) {
        self.step_to_seconds(hours * 3600);
    }

    pub(crate) fn step_to_seconds(&self, seconds: i64) {
        // Renamed into place: a reader must not see half of the file.
        let new = self.directory.path().join("new");
        std::fs::write(&new, format!("{seconds:+}\n")).expect("the clock is written");
        std::fs::rename(new, self.file()).expect("the clock is replaced");
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("clock")
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let library = std::fs::read_dir("/usr/lib")
            .into_iter()
            .flatten()
            .filter_map(|directory| Some(directory.ok()?.path().join("faketime/libfaketime.so.1")))
            .find(|library| library.exists())
            .expect("libfaketime is missing: apt-get install faketime");
        let pair = |name: &str, value: String| (name.to_owned(), value);
        vec![
            pair("LD_PRELOAD", library.display().to_string()),
            pair("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            pair("FAKETIME_NO_CACHE", "1".into()),
            pair("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }
}
