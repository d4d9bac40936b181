//! Rebuilds the server when the UI was rebuilt.

fn main() {
    let pages = "../dlm-ui/dist";
    // Cargo watches only paths that exist. If the folder can't be created, the
    // sources are read-only, and no UI will be built there.
    std::fs::create_dir_all(pages).ok();
    println!("cargo::rerun-if-changed={pages}");
}
