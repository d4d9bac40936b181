#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use dlm_server::fuzz::FuzzedServer;

static SERVER: LazyLock<FuzzedServer> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/fuzzed-server/http");
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(&folder).expect("a folder for the server");
    FuzzedServer::start(&folder)
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| SERVER.http(input));
