//! The thread of the server and its front.

use std::path::Path;
use std::sync::{Arc, mpsc};

use dlm_server::{Server, Service};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::faults::Faults;
use crate::front::Front;
use crate::transport::{FrontListener, ServerAddress, Transport};

/// What the thread of the server tells the test.
pub(crate) struct Started {
    pub(crate) url: String,
    /// The address of the server behind the front.
    pub(crate) server_url: String,
    pub(crate) front: Arc<Front>,
    pub(crate) service: Service,
    pub(crate) runtime: Handle,
}

pub(crate) type StartResult = Result<Started, Box<dyn std::error::Error + Send + Sync>>;

/// Runs the server and its front until `stop` is cancelled. Their files are in `directory`.
pub(crate) fn run(
    directory: &Path,
    transport: Transport,
    stop: &CancellationToken,
    started: &mpsc::Sender<StartResult>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            // The test waits for it.
            started.send(Err(error.into())).ok();
            return;
        }
    };
    runtime.block_on(async {
        match start(directory, transport).await {
            Err(error) => {
                started.send(Err(error)).ok();
            }
            Ok(Parts { server, url, listener, front }) => {
                let (runtime, service) = (Handle::current(), server.service().clone());
                let (front_of_test, server_url) = (Arc::clone(&front), server.urls()[0].clone());
                started.send(Ok(Started { url, server_url, front: front_of_test, service, runtime })).ok();
                let serving = stop.run_until_cancelled(front.serve(listener));
                let (_, ran) = tokio::join!(serving, server.run(stop.clone()));
                if let Err(error) = ran {
                    panic!("the test server ended: {error}");
                }
            }
        }
    });
    // Connections that are still open do not keep the test.
    runtime.shutdown_background();
}

/// What runs on the thread.
struct Parts {
    server: Server,
    /// The address of the front.
    url: String,
    listener: FrontListener,
    front: Arc<Front>,
}

async fn start(
    directory: &Path,
    transport: Transport,
) -> Result<Parts, Box<dyn std::error::Error + Send + Sync>> {
    let database_url = format!("sqlite://{}", directory.join("dlm.db").display());
    let server = Server::builder().listen(transport.listen(directory)).database_url(database_url);
    let server = server.bind().await?;
    let listener = transport.bind_front(directory).await?;
    let front = Front {
        server: ServerAddress::parse(&server.urls()[0])?,
        faults: Faults::default(),
        away: watch::Sender::new(false),
        moving: watch::Sender::new(false),
        tasks: TaskTracker::new(),
    };
    Ok(Parts { server, url: listener.url()?, listener, front: Arc::new(front) })
}
