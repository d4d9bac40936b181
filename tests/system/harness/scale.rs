//! How long the tests run that can run for any time.

/// The number of rounds of a test: as many as given, times `DLM_TEST_SCALE` if that
/// is set. `script/test-full` sets it.
pub(crate) fn rounds(usual: usize) -> usize {
    usual
        * std::env::var("DLM_TEST_SCALE").map_or(1, |scale| scale.parse().expect("DLM_TEST_SCALE: a number"))
}
