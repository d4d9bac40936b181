//! Seeded pseudorandom numbers, so that a failed run can be reproduced.

/// A pseudorandom number generator (SplitMix64) that prints its seed.
pub(crate) struct SeededRng(u64);

impl SeededRng {
    pub(crate) fn new() -> Self {
        let (_, seed) = uuid::Uuid::now_v7().as_u64_pair();
        println!("seed: {seed}");
        Self(seed)
    }

    /// An independent sequence for one of several tasks.
    pub(crate) fn fork(&self, task: u64) -> Self {
        Self(self.0.wrapping_add(task.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// A number in `0..bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 32).expect("32 bits") % bound
    }
}
