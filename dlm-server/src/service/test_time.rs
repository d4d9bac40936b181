//! Time that a test moves.

use std::time::Duration;

use dlm_engine::Micros;

use super::Service;
use super::error::Error;

impl Service {
    /// Moves the deciding clock forward, as if this time had passed. What is overdue then ends soon,
    /// without a request that notices it.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is a database that has the clock itself, such as Postgres, or if
    /// it can't be used.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the clock may be moved or not.
    pub async fn advance_clock(&self, by: Duration) -> Result<(), Error> {
        let writers = self.0.access.system().writers();
        writers.run_maintenance(move |store| store.advance_clock(by)).await?;
        self.0.next_check.schedule(Micros(0));
        Ok(())
    }
}
