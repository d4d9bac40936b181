//! The servers' metrics, and the CPU time of the servers and of this process.

use std::collections::BTreeMap;

use crate::BoxError;
use crate::servers::Servers;

/// Metrics and CPU times at one instant, summed over all servers.
#[derive(Debug, Default, Clone)]
pub(crate) struct MetricsSnapshot {
    metrics: BTreeMap<String, f64>,
    server_cpu_seconds: Option<f64>,
    own_cpu_seconds: Option<f64>,
}

/// The increase between two snapshots.
pub(crate) struct MetricsDelta<'a> {
    pub(crate) before: &'a MetricsSnapshot,
    pub(crate) after: &'a MetricsSnapshot,
}

impl MetricsSnapshot {
    pub(crate) async fn take(servers: &Servers) -> Result<Self, BoxError> {
        let tls = servers.tls()?;
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build()?;
        let authorization = servers.access().authorization()?;
        let mut metrics = BTreeMap::new();
        for url in servers.urls() {
            let mut request = client.get(format!("{url}/metrics"));
            if let Some(authorization) = &authorization {
                request = request.header(reqwest::header::AUTHORIZATION, authorization);
            }
            let text = request.send().await?.error_for_status()?.text().await?;
            for (name, value) in parse(&text) {
                *metrics.entry(name).or_default() += value;
            }
        }
        let seconds: Option<Vec<f64>> = servers.pids().map(|pid| cpu_seconds(&pid.to_string())).collect();
        Ok(Self {
            metrics,
            server_cpu_seconds: seconds
                .filter(|seconds| !seconds.is_empty())
                .map(|seconds| seconds.iter().sum()),
            own_cpu_seconds: cpu_seconds("self"),
        })
    }
}

impl MetricsDelta<'_> {
    pub(crate) fn of(&self, metric: &str) -> f64 {
        let at = |snapshot: &MetricsSnapshot| snapshot.metrics.get(metric).copied().unwrap_or(0.0);
        at(self.after) - at(self.before)
    }

    /// Whether the servers have an auth file in force.
    pub(crate) fn servers_authenticate(&self) -> bool {
        self.after.metrics.get("dlm_auth_file_loaded_timestamp_seconds").is_some_and(|loaded| *loaded > 0.0)
    }

    pub(crate) fn server_cpu_seconds(&self) -> Option<f64> {
        Some(self.after.server_cpu_seconds? - self.before.server_cpu_seconds?)
    }

    pub(crate) fn own_cpu_seconds(&self) -> Option<f64> {
        Some(self.after.own_cpu_seconds? - self.before.own_cpu_seconds?)
    }
}

/// Parses the samples without labels.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let samples = text.lines().filter(|line| !line.starts_with('#') && !line.contains('{'));
    samples
        .filter_map(|line| {
            let (name, value) = line.split_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect()
}

/// User and system CPU time of a process, on systems with `/proc`.
fn cpu_seconds(process: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The process name in parentheses may contain spaces and parentheses.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_samples_without_labels_are_parsed() {
        let text = "# TYPE a counter\na_total 3\nb{x=\"y\"} 4\nc_sum 0.5\n# EOF\n";
        let metrics = parse(text);
        assert_eq!(metrics.get("a_total"), Some(&3.0));
        assert_eq!(metrics.get("c_sum"), Some(&0.5));
        assert_eq!(metrics.len(), 2);
    }
}
