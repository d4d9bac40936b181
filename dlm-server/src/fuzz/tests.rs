//! Replays the corpus.

use std::path::Path;

use super::FuzzedServer;

/// The inputs of a target, each with its file.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let inputs: Vec<_> = files
        .map(|file| {
            let path = file.unwrap().path();
            (path.display().to_string(), std::fs::read(&path).unwrap())
        })
        .collect();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs
}

fn replay(target: &str, run: impl Fn(&[u8])) {
    for (file, input) in corpus(target) {
        // A test that fails shows the last one.
        println!("{file}");
        run(&input);
    }
}

/// Declares a test for each target that needs no server.
macro_rules! replays {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target), super::$target);
            }
        )*

        /// The targets with a corpus are those of this file and of cargo-fuzz.
        #[test]
        fn every_target_is_replayed() {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
            let names = |folder: &str| {
                let mut names: Vec<_> = std::fs::read_dir(root.join(folder)).unwrap().map(|file| {
                    file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()
                }).collect();
                names.sort_unstable();
                names
            };
            let mut here = vec!["http", "session", $(stringify!($target)),*];
            here.sort_unstable();
            assert_eq!(names("corpus"), here);
            assert_eq!(names("targets"), here);
        }
    };
}

replays!(auth_file cursor frame jwt lease_id names prefix ticket);

#[test]
fn http() {
    let directory = tempfile::tempdir().unwrap();
    let server = FuzzedServer::start(directory.path());
    replay("http", |input| server.http(input));
}

#[test]
fn session() {
    let directory = tempfile::tempdir().unwrap();
    let server = FuzzedServer::start(directory.path());
    replay("session", |input| server.session(input));
}
