//! The two text formats.

use std::collections::HashSet;

/// Converts OpenMetrics text to the older format, which describes a counter under
/// the name of its samples and has no end marker.
pub(super) fn classic(open: &str) -> String {
    let counter = |line| str::strip_prefix(line, "# TYPE ")?.strip_suffix(" counter");
    let counters: HashSet<&str> = open.lines().filter_map(counter).collect();
    let mut text = String::with_capacity(open.len());
    for line in open.lines().filter(|line| *line != "# EOF") {
        let described = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        match described.and_then(|rest| rest.split_once(' ')) {
            Some((name, rest)) if counters.contains(name) => {
                text.extend([&line[..line.len() - name.len() - rest.len() - 1], name, "_total ", rest]);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    #[test]
    fn the_classic_format_describes_a_counter_under_the_name_of_its_samples() {
        let metrics = Metrics::new();
        metrics.request_answered("acquire", 200, 0.001);
        let text = metrics.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("dlm_requests_total")).collect();
        assert_eq!(
            lines,
            [
                "# HELP dlm_requests_total Requests that were answered, by operation and status.",
                "# TYPE dlm_requests_total counter",
                "dlm_requests_total{operation=\"acquire\",status=\"200\"} 1",
            ]
        );
        assert!(text.contains("# TYPE dlm_connections gauge\n"), "{text}");
        assert!(text.contains("# TYPE dlm_request_duration_seconds histogram\n"), "{text}");
        assert!(!text.contains("EOF"), "{text}");
        assert!(metrics.open_metrics().ends_with("# EOF\n"));
    }
}
