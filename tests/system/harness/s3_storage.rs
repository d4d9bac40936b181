//! A storage that speaks the API of S3.

use std::path::Path;
use std::process::Command;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::spawn;

const ACCESS_KEY_ID: &str = "test";
const SECRET_ACCESS_KEY: &str = "secret";

/// A storage in a temporary directory, with one bucket. It ends when it is dropped.
pub(crate) struct S3Storage {
    url: String,
    directory: TempDir,
    accepts: JoinHandle<()>,
}

impl S3Storage {
    pub(crate) const BUCKET: &str = "bucket";

    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // A bucket is a directory.
        std::fs::create_dir(directory.path().join(Self::BUCKET)).expect("the bucket");
        let files = FileSystem::new(directory.path()).expect("the storage");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let accepts = spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
                // A client may hang up at any time.
                spawn(async move { drop(connection.await) });
            }
        });
        Self { url, directory, accepts }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Gives a program the credentials of this storage, and no other settings for S3.
    pub(crate) fn set_credentials(command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
        command.env("AWS_REGION", "us-east-1");
    }

    /// The content of an object.
    pub(crate) fn content(&self, object: impl AsRef<Path>) -> String {
        let path = self.directory.path().join(Self::BUCKET).join(object);
        std::fs::read_to_string(path).expect("the object")
    }
}

impl Drop for S3Storage {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}
