//! Random numbers with a seed, and how many rounds to use them for.

/// Random numbers (SplitMix64) from a seed that is printed, so that a run can be
/// repeated with `DLM_TEST_SEED`.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn from_environment() -> Self {
        let given = std::env::var("DLM_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| uuid::Uuid::now_v7().as_u64_pair().1);
        println!("DLM_TEST_SEED={seed}");
        Self(seed)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Independent random numbers.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.below(u64::MAX))
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// The number of rounds of a test: as many as given, times `DLM_TEST_SCALE` if that is
/// set. `script/test-full` sets it.
pub(crate) fn rounds(usual: usize) -> usize {
    let scale = std::env::var("DLM_TEST_SCALE").map_or(1, |scale| scale.parse().expect("a number"));
    usual * scale
}
