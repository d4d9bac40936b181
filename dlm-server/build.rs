//! Has the server built again when the UI was.

fn main() {
    let pages = "../dlm-ui/dist";
    // Cargo can only watch what is there. Where it can't be made, the sources
    // are read-only, and nothing will be built there later either.
    std::fs::create_dir_all(pages).ok();
    println!("cargo::rerun-if-changed={pages}");
}
