//! What the figures depend on: the processors and the disk.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::BoxError;
use crate::measure::now;

/// Writes that the duration of a sync is the median of.
const SYNCS: usize = 200;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processors: usize,
    pub(crate) processor: String,
    pub(crate) kernel: String,
    /// Median time that a write of 4 KiB with `fdatasync` takes, in microseconds.
    pub(crate) sync_micros: f64,
}

impl Machine {
    /// Describes this machine, and the disk with this directory.
    pub(crate) fn describe(directory: &Path) -> Result<Self, BoxError> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let model = processors.lines().find_map(|line| line.strip_prefix("model name"));
        Ok(Self {
            processors: std::thread::available_parallelism()?.get(),
            processor: model
                .map_or_else(String::new, |model| model.trim_start_matches([' ', '\t', ':']).to_owned()),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            sync_micros: sync_micros(directory)?,
        })
    }
}

fn sync_micros(directory: &Path) -> Result<f64, BoxError> {
    let mut file = tempfile::tempfile_in(directory)?;
    let mut micros = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = now();
        file.write_all(&[b'x'; 4096])?;
        rustix::fs::fdatasync(&file)?;
        micros.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    micros.sort_by(f64::total_cmp);
    Ok(micros[SYNCS / 2])
}
