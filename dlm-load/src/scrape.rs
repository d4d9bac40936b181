//! What the server says of itself, and the processor time of both.

use std::collections::BTreeMap;

use crate::Failed;
use crate::server::Server;

/// Counters at one instant.
#[derive(Debug, Default, Clone)]
pub(crate) struct Scrape {
    metrics: BTreeMap<String, f64>,
    server_seconds: Option<f64>,
    load_seconds: Option<f64>,
}

/// What was counted between two instants.
pub(crate) struct Between<'a> {
    pub(crate) before: &'a Scrape,
    pub(crate) after: &'a Scrape,
}

impl Scrape {
    pub(crate) async fn of(server: &Server) -> Result<Self, Failed> {
        // reqwest is built without a TLS of its own, and wants one all the same.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut metrics = BTreeMap::new();
        for url in server.each() {
            let text = client.get(format!("{url}/metrics")).send().await?.text().await?;
            for (name, value) in parse(&text) {
                *metrics.entry(name).or_default() += value;
            }
        }
        let seconds: Option<Vec<f64>> =
            server.pids().map(|pid| processor_seconds(&pid.to_string())).collect();
        Ok(Self {
            metrics,
            server_seconds: seconds.filter(|seconds| !seconds.is_empty()).map(|seconds| seconds.iter().sum()),
            load_seconds: processor_seconds("self"),
        })
    }
}

impl Between<'_> {
    pub(crate) fn of(&self, metric: &str) -> f64 {
        let at = |scrape: &Scrape| scrape.metrics.get(metric).copied().unwrap_or(0.0);
        at(self.after) - at(self.before)
    }

    pub(crate) fn server_seconds(&self) -> Option<f64> {
        Some(self.after.server_seconds? - self.before.server_seconds?)
    }

    pub(crate) fn load_seconds(&self) -> Option<f64> {
        Some(self.after.load_seconds? - self.before.load_seconds?)
    }
}

/// The samples without labels.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let samples = text.lines().filter(|line| !line.starts_with('#') && !line.contains('{'));
    samples
        .filter_map(|line| {
            let (name, value) = line.split_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect()
}

/// User and system time of a process, where the system has a `/proc`.
fn processor_seconds(process: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_without_labels_are_read() {
        let text = "# TYPE a counter\na_total 3\nb{x=\"y\"} 4\nc_sum 0.5\n# EOF\n";
        let metrics = parse(text);
        assert_eq!(metrics.get("a_total"), Some(&3.0));
        assert_eq!(metrics.get("c_sum"), Some(&0.5));
        assert_eq!(metrics.len(), 2);
    }
}
