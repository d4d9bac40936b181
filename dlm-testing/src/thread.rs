//! The thread of the server and its front.

use std::sync::{Arc, mpsc};

use dlm_server::{Server, Service};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::faults::Faults;
use crate::front::Front;

/// What the thread of the server tells the test.
pub(crate) struct Started {
    pub(crate) url: String,
    pub(crate) front: Arc<Front>,
    pub(crate) service: Service,
    pub(crate) runtime: Handle,
}

pub(crate) type StartResult = Result<Started, Box<dyn std::error::Error + Send + Sync>>;

/// Runs the server and its front until `stop` is cancelled.
pub(crate) fn run(database_url: String, stop: &CancellationToken, started: &mpsc::Sender<StartResult>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            // The test waits for it.
            started.send(Err(error.into())).ok();
            return;
        }
    };
    runtime.block_on(async {
        match start(database_url).await {
            Err(error) => {
                started.send(Err(error)).ok();
            }
            Ok((server, listener, front)) => {
                let runtime = Handle::current();
                let url =
                    format!("http://{}", listener.local_addr().map(|at| at.to_string()).unwrap_or_default());
                let service = server.service().clone();
                started.send(Ok(Started { url, front: Arc::clone(&front), service, runtime })).ok();
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

async fn start(
    database_url: String,
) -> Result<(Server, TcpListener, Arc<Front>), Box<dyn std::error::Error + Send + Sync>> {
    let server = Server::builder().listen("127.0.0.1:0").database_url(database_url).bind().await?;
    let address = server.urls()[0].trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let front = Front {
        server: address,
        faults: Faults::default(),
        away: watch::Sender::new(false),
        moving: watch::Sender::new(false),
        tasks: TaskTracker::new(),
    };
    Ok((server, listener, Arc::new(front)))
}
