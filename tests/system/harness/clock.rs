//! Wall clocks that are wrong.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// The wall clock of processes that are started in its environment.
pub(crate) struct WrongClock {
    directory: TempDir,
}

impl WrongClock {
    /// Off by so many hours.
    pub(crate) fn off_by(hours: i32) -> Self {
        let clock = Self { directory: tempfile::tempdir().expect("a folder") };
        clock.step_to(hours);
        // Or the stories would be blind.
        let date = Command::new("date").arg("+%s").envs(clock.environment()).output().expect("date runs");
        let shown: i64 = String::from_utf8_lossy(&date.stdout).trim().parse().expect("seconds");
        let off = shown - super::wall_micros() / 1_000_000;
        assert!((off - i64::from(hours) * 3600).abs() < 10, "the clock is {off} s off");
        clock
    }

    /// Steps it, under processes that run.
    pub(crate) fn step_to(&self, hours: i32) {
        // Renamed into place: a reader must not see half of it.
        let new = self.directory.path().join("new");
        std::fs::write(&new, format!("{hours:+}h\n")).expect("the clock");
        std::fs::rename(new, self.file()).expect("the clock");
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("clock")
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let library = std::fs::read_dir("/usr/lib")
            .into_iter()
            .flatten()
            .filter_map(|folder| Some(folder.ok()?.path().join("faketime/libfaketime.so.1")))
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
