//! The binaries under test, built from the current sources.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The path of a binary of the workspace. The first call builds all of them, so
/// that a test never runs a stale one.
pub(crate) fn binary(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--workspace", "--bins", "--locked", "--quiet"]);
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        // Cargo sets these for this test. Passed on, they would invalidate the
        // dependencies that read them, here and in the next `cargo test`.
        let of_this_test =
            |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|of| name.starts_with(of));
        for (name, _) in std::env::vars().filter(|(name, _)| of_this_test(name)) {
            build.env_remove(name);
        }
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let status = build.status().expect("cargo runs");
        assert!(status.success(), "the binaries under test do not build");
        let test = std::env::current_exe().expect("the test's own path");
        // …/deps/system-hash
        test.parent().and_then(|deps| deps.parent()).expect("a target directory").to_owned()
    });
    directory.join(name)
}
