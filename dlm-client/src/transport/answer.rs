//! A successful reply, with what the term of a lease in it depends on.

use crate::clock::BootInstant;

#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(crate) body: T,
    /// When the request that was answered was handed to its connection.
    pub(crate) sent_at: BootInstant,
    /// The number of the session socket that the request used; `None` for HTTP.
    pub(crate) socket: Option<u64>,
}

impl<T> Answer<T> {
    pub(crate) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { body: convert(self.body), sent_at: self.sent_at, socket: self.socket }
    }
}
