//! Where housekeeping runs.

use std::sync::{Arc, Mutex, PoisonError};

use crate::store::{Housekeeping, StoreError};
use crate::writer::Writers;

/// Runs housekeeping: on a connection of its own, or at a writer if only that can write.
#[derive(Clone)]
pub(super) enum Housekeeper {
    Own(Arc<Mutex<Box<dyn Housekeeping>>>),
    Writer(Writers),
}

impl Housekeeper {
    pub(super) fn new(own: Option<Box<dyn Housekeeping>>, writers: Writers) -> Self {
        own.map_or(Self::Writer(writers), |own| Self::Own(Arc::new(Mutex::new(own))))
    }

    /// Runs this. Blocks if the connection is its own.
    pub(super) async fn run(
        &self,
        work: impl FnOnce(&mut dyn Housekeeping) -> Result<usize, StoreError> + Send + 'static,
    ) -> Result<usize, StoreError> {
        match self {
            Self::Own(own) => work(&mut **own.lock().unwrap_or_else(PoisonError::into_inner)),
            Self::Writer(writers) => writers.run_maintenance(|store| work(store)).await,
        }
    }
}
