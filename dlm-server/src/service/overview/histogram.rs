//! A histogram of durations, for percentiles.

/// Buckets per octave. The width of a bucket is at most a sixteenth of its lower
/// bound.
const SUB: u64 = 16;
const SUB_BITS: u32 = SUB.trailing_zeros();

/// Counts durations in milliseconds by size.
#[derive(Debug, Clone, Default)]
pub(super) struct Histogram {
    counts: Vec<u32>,
    total: u64,
}

impl Histogram {
    pub(super) fn add(&mut self, ms: u64) {
        let bucket = bucket(ms);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
        self.total += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
        self.total += other.total;
    }

    /// The duration that `percent` of all durations do not exceed, rounded up to
    /// the bucket's upper bound; `None` when the histogram is empty.
    pub(super) fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        self.counts.iter().enumerate().find_map(|(bucket, count)| {
            seen += u64::from(*count);
            (seen >= rank).then(|| highest(bucket))
        })
    }
}

fn bucket(ms: u64) -> usize {
    if ms < SUB {
        return ms as usize;
    }
    let octave = ms.ilog2() - SUB_BITS;
    (SUB * u64::from(octave) + (ms >> octave)) as usize
}

/// The upper bound of a bucket.
fn highest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB {
        return bucket;
    }
    let octave = bucket / SUB - 1;
    ((bucket - SUB * octave + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_bounds_its_durations_to_a_sixteenth() {
        for ms in (0..4096).chain([86_399_999, 86_400_000]) {
            let high = highest(bucket(ms));
            assert!(high >= ms && high - ms <= ms / SUB, "{ms}: {high}");
            assert_ne!(bucket(high), bucket(high + 1), "{ms}: {high}");
        }
    }

    #[test]
    fn a_merged_histogram_has_the_percentiles_of_both() {
        let (mut low, mut high) = (Histogram::default(), Histogram::default());
        assert_eq!(low.percentile(50), None);
        (0..90).for_each(|_| low.add(1));
        (0..10).for_each(|_| high.add(10));
        low.merge(&high);
        assert_eq!(
            (low.percentile(50), low.percentile(90), low.percentile(95)),
            (Some(1), Some(1), Some(10))
        );
    }
}
