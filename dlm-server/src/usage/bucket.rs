//! Requests per second.

use std::time::Duration;

/// A token bucket that has room for the requests of one second. A new one is full.
#[derive(Debug)]
pub(super) struct TokenBucket {
    left: f64,
    at: Duration,
}

impl Default for TokenBucket {
    fn default() -> Self {
        Self { left: f64::INFINITY, at: Duration::ZERO }
    }
}

impl TokenBucket {
    /// Takes a token, of so many that come per second. If there is none, returns how
    /// long it takes until there is one. `now` is on a clock that never goes back.
    pub(super) fn take(&mut self, per_second: u32, now: Duration) -> Result<(), Duration> {
        let rate = f64::from(per_second.max(1));
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.left = (self.left + passed * rate).min(rate);
        self.at = self.at.max(now);
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / rate));
        }
        self.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut TokenBucket, rate: u32, now: Duration) -> usize {
        (0..10_000).take_while(|_| bucket.take(rate, now).is_ok()).count()
    }

    #[test]
    fn a_bucket_has_the_requests_of_one_second_and_refills_evenly() {
        let (mut bucket, start) = (TokenBucket::default(), Duration::from_secs(5_000));
        assert_eq!(taken(&mut bucket, 100, start), 100);
        assert_eq!(taken(&mut bucket, 100, start + Duration::from_millis(250)), 25);
        let later = start + Duration::from_secs(60);
        assert_eq!(taken(&mut bucket, 100, later), 100, "no more than one second's worth");
        let wait = bucket.take(100, later).unwrap_err();
        assert_eq!(wait, Duration::from_millis(10));
        assert_eq!(bucket.take(100, later + wait), Ok(()));
    }

    #[test]
    fn another_rate_holds_at_once() {
        let (mut bucket, now) = (TokenBucket::default(), Duration::from_secs(1));
        assert_eq!(bucket.take(1000, now), Ok(()));
        assert_eq!(taken(&mut bucket, 5, now), 5);
        assert_eq!(bucket.take(5, now).unwrap_err(), Duration::from_millis(200));
    }

    #[test]
    fn a_clock_that_is_read_out_of_order_adds_no_tokens() {
        let (mut bucket, now) = (TokenBucket::default(), Duration::from_secs(100));
        taken(&mut bucket, 10, now);
        assert!(bucket.take(10, now - Duration::from_secs(50)).is_err());
        assert!(bucket.take(10, now).is_err());
    }
}
