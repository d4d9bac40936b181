//! Chance, which a failed story can be told again with.

/// Numbers that look random and follow from a seed, which is printed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let (_, seed) = uuid::Uuid::now_v7().as_u64_pair();
        println!("the seed is {seed}");
        Self(seed)
    }

    /// Those of one of several that throw them.
    pub(crate) fn of(&self, who: u64) -> Self {
        Self(self.0.wrapping_add(who.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// One of 0 up to this.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 32).expect("32 bits") % bound
    }
}
