//! Who shares a read of stored events.

use dlm_protocol::{AcquireRequest, ResourceName};
use futures_util::future::join_all;

use super::*;
use crate::auth::Principal;
use crate::metrics::Metrics;
use crate::service::{Operation, ServiceOptions};

async fn acquire(service: &Service, resource: &str) {
    let resource = ResourceName::try_from(resource).unwrap();
    let operation = Operation::Acquire { resource, key: None, request: AcquireRequest::default() };
    service.call(&Principal::anonymous(), operation).await.unwrap();
}

async fn read_after(service: &Service, after: Cursor, prefix: &str) -> Replay {
    let filter = EventFilter { prefix: prefix.to_owned(), resource: None };
    let mut view = service.0.access.view(&Principal::anonymous(), None).unwrap();
    let wanted = Wanted { filter, visibility: Arc::clone(view.visibility()) };
    let reads = service.0.access.reads(&view).clone();
    read(service.clone(), reads, wanted, after).await.unwrap()
}

fn events(replay: &Replay) -> usize {
    replay.part.events.iter().map(Part::len).sum()
}

#[tokio::test]
async fn those_that_resume_from_the_same_cursor_share_what_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::open(ServiceOptions::for_tests(directory.path()), Metrics::new()).await.unwrap();
    for name in ["a", "b", "c"] {
        acquire(&service, name).await;
    }
    let free = || service.0.replays.permits.available_permits();
    let replays = join_all((0..50).map(|_| read_after(&service, Cursor::START, ""))).await;
    assert!(replays.iter().all(|replay| Arc::ptr_eq(&replay.part, &replays[0].part)));
    assert_eq!((events(&replays[0]), free()), (3, MAX_REPLAYS - 1));

    // One with a filter, or from another cursor, has its own.
    let filtered = read_after(&service, Cursor::START, "b").await;
    let later = read_after(&service, Cursor::after_batch(1), "").await;
    assert_eq!((events(&filtered), events(&later), free()), (1, 2, MAX_REPLAYS - 3));

    // Once all have sent it, the log is read again.
    drop((replays, filtered, later));
    assert_eq!(free(), MAX_REPLAYS);
    acquire(&service, "d").await;
    assert_eq!(events(&read_after(&service, Cursor::START, "").await), 4);
    service.close().await;
}
