//! The handle of a libpq connection.
//!
//! libpq is used without blocking: a request is sent and its results are
//! awaited with `poll`, so that each wait has a deadline.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};

use diesel::result::QueryResult;
use pq_sys::{ConnStatusType, ExecStatusType, PGconn, PGresult};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{connection_error, no_reply};
use crate::parameters::{Parameters, count};
use crate::result::{RawResult, error_field, field, text};

/// A message of the server that is not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its SQLSTATE, such as `01000`.
    pub sqlstate: String,
    /// Its text, in the language of the server.
    pub message: String,
}

/// A message of another session, sent with `NOTIFY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The channel.
    pub channel: String,
    /// What was sent.
    pub payload: String,
}

/// Most notices kept until they are taken; a server sends few.
const MAX_NOTICES: usize = 64;

/// The notices that have not been taken yet.
#[derive(Debug, Default)]
struct Notices(Vec<Notice>);

/// Whether libpq can parse a connection string. Its own message is not returned: it
/// quotes the string, which may contain a password.
#[must_use]
pub fn is_valid_conninfo(conninfo: &str) -> bool {
    let Ok(conninfo) = CString::new(conninfo) else { return false };
    let mut message: *mut c_char = ptr::null_mut();
    // SAFETY: both arguments are valid during the call; what it returns is freed once.
    unsafe {
        let options = pq_sys::PQconninfoParse(conninfo.as_ptr(), &raw mut message);
        pq_sys::PQconninfoFree(options);
        pq_sys::PQfreemem(message.cast());
        !options.is_null()
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct RawConnection {
    handle: NonNull<PGconn>,
    /// Where the notice receiver puts notices. It is boxed because libpq keeps
    /// its address.
    notices: Box<Notices>,
    /// The longest wait for the reply to one request.
    deadline: Option<Duration>,
}

// SAFETY: libpq allows the use of a connection by any thread, one at a time;
// all methods that change the connection take `&mut self`.
unsafe impl Send for RawConnection {}

impl RawConnection {
    /// Connects. The time limit is `connect_timeout` in the connection string.
    pub(crate) fn connect(conninfo: &str) -> Result<Self, String> {
        let conninfo =
            CString::new(conninfo).map_err(|_| "the connection string has a NUL byte".to_owned())?;
        // SAFETY: the argument is a C string that outlives the call.
        let handle = unsafe { pq_sys::PQconnectdb(conninfo.as_ptr()) };
        let handle = NonNull::new(handle).ok_or("out of memory")?;
        let mut connection = Self { handle, notices: Box::default(), deadline: None };
        if !connection.is_connected() {
            return Err(connection.last_error());
        }
        let notices: *mut Notices = &raw mut *connection.notices;
        // SAFETY: the connection is open; the receiver's argument lives as long
        // as the connection, which `drop` closes first.
        unsafe {
            pq_sys::PQsetNoticeReceiver(handle.as_ptr(), Some(receive_notice), notices.cast());
            if pq_sys::PQsetnonblocking(handle.as_ptr(), 1) != 0 {
                return Err(connection.last_error());
            }
        }
        Ok(connection)
    }

    pub(crate) fn set_deadline(&mut self, deadline: Option<Duration>) {
        self.deadline = deadline;
    }

    pub(crate) fn is_connected(&self) -> bool {
        // SAFETY: the handle is valid until `drop`.
        unsafe { pq_sys::PQstatus(self.handle.as_ptr()) == ConnStatusType::CONNECTION_OK }
    }

    pub(crate) fn backend_pid(&self) -> i32 {
        // SAFETY: the handle is valid until `drop`.
        unsafe { pq_sys::PQbackendPID(self.handle.as_ptr()) }
    }

    /// What the server reported at the start, such as `server_encoding`.
    pub(crate) fn parameter(&self, name: &CStr) -> Option<String> {
        // SAFETY: the handle is valid, and the value is copied at once.
        unsafe { text(pq_sys::PQparameterStatus(self.handle.as_ptr(), name.as_ptr())) }
    }

    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices.0)
    }

    /// Runs one or more statements without parameters.
    pub(crate) fn execute_simple(&mut self, sql: &CStr) -> QueryResult<()> {
        // SAFETY: the argument is a C string that outlives the call.
        let sent = unsafe { pq_sys::PQsendQuery(self.handle.as_ptr(), sql.as_ptr()) };
        self.finish(sent).map(drop)
    }

    /// Prepares a statement.
    pub(crate) fn prepare(&mut self, name: &CStr, sql: &CStr, types: &[u32]) -> QueryResult<()> {
        let count = count(types.len())?;
        // SAFETY: all pointers outlive the call, and `types` has `count` items.
        let sent = unsafe {
            pq_sys::PQsendPrepare(self.handle.as_ptr(), name.as_ptr(), sql.as_ptr(), count, types.as_ptr())
        };
        self.finish(sent).map(drop)
    }

    /// Runs a prepared statement. Parameters and results are binary.
    pub(crate) fn execute_prepared(
        &mut self,
        name: &CStr,
        parameters: &[Option<Vec<u8>>],
    ) -> QueryResult<RawResult> {
        let parameters = Parameters::new(parameters)?;
        // SAFETY: all pointers outlive the call, and the arrays have `count` items.
        let sent = unsafe {
            pq_sys::PQsendQueryPrepared(
                self.handle.as_ptr(),
                name.as_ptr(),
                parameters.count,
                parameters.values.as_ptr(),
                parameters.lengths.as_ptr(),
                parameters.formats.as_ptr(),
                1,
            )
        };
        self.finish(sent)
    }

    /// Runs a statement that is not worth preparing.
    pub(crate) fn execute_once(
        &mut self,
        sql: &CStr,
        types: &[u32],
        parameters: &[Option<Vec<u8>>],
    ) -> QueryResult<RawResult> {
        let parameters = Parameters::new(parameters)?;
        // SAFETY: all pointers outlive the call, and the arrays have `count` items.
        let sent = unsafe {
            pq_sys::PQsendQueryParams(
                self.handle.as_ptr(),
                sql.as_ptr(),
                parameters.count,
                types.as_ptr(),
                parameters.values.as_ptr(),
                parameters.lengths.as_ptr(),
                parameters.formats.as_ptr(),
                1,
            )
        };
        self.finish(sent)
    }

    /// The next notification; waits this long for one to arrive.
    pub(crate) fn notification(&mut self, timeout: Duration) -> QueryResult<Option<Notification>> {
        let until = now() + timeout;
        loop {
            // SAFETY: the handle is valid until `drop`.
            if unsafe { pq_sys::PQconsumeInput(self.handle.as_ptr()) } == 0 {
                return Err(connection_error(&self.last_error()));
            }
            let notification = self.arrived_notification();
            if notification.is_some() || !self.poll(PollFlags::IN, Some(until))? {
                return Ok(notification);
            }
        }
    }

    fn arrived_notification(&mut self) -> Option<Notification> {
        // SAFETY: the handle is valid; what is returned is ours to free.
        let notify = NonNull::new(unsafe { pq_sys::PQnotifies(self.handle.as_ptr()) })?;
        // SAFETY: libpq fills in both texts; they are copied before they are freed.
        unsafe {
            let channel = text(notify.as_ref().relname).unwrap_or_default();
            let payload = text(notify.as_ref().extra).unwrap_or_default();
            pq_sys::PQfreemem(notify.as_ptr().cast());
            Some(Notification { channel, payload })
        }
    }

    /// Flushes a request and takes its results. Of several, the first error
    /// counts, else the last result.
    fn finish(&mut self, sent: c_int) -> QueryResult<RawResult> {
        if sent != 1 {
            return Err(connection_error(&self.last_error()));
        }
        let until = self.deadline.map(|deadline| now() + deadline);
        self.flush(until)?;
        let mut last = None;
        let mut failed = None;
        while let Some(result) = self.next_result(until)? {
            match result.status() {
                ExecStatusType::PGRES_COMMAND_OK
                | ExecStatusType::PGRES_TUPLES_OK
                | ExecStatusType::PGRES_EMPTY_QUERY => last = Some(result),
                _ => failed = failed.or(Some(result.report())),
            }
        }
        match (failed, last) {
            (Some(report), _) => Err(report.into_error(self.is_connected())),
            (None, Some(result)) => Ok(result),
            (None, None) => Err(connection_error(&self.last_error())),
        }
    }

    fn flush(&mut self, until: Option<Instant>) -> QueryResult<()> {
        loop {
            // SAFETY: the handle is valid until `drop`.
            match unsafe { pq_sys::PQflush(self.handle.as_ptr()) } {
                0 => return Ok(()),
                // More is to be sent. The server may have to be read from first.
                1 => {
                    self.wait(PollFlags::IN | PollFlags::OUT, until)?;
                    self.consume()?;
                }
                _ => return Err(connection_error(&self.last_error())),
            }
        }
    }

    /// Waits for the next result of the request; `None` after the last one.
    fn next_result(&mut self, until: Option<Instant>) -> QueryResult<Option<RawResult>> {
        // SAFETY: the handle is valid until `drop`.
        while unsafe { pq_sys::PQisBusy(self.handle.as_ptr()) } == 1 {
            self.wait(PollFlags::IN, until)?;
            self.consume()?;
        }
        // SAFETY: the handle is valid, and the result is ours from here on.
        Ok(NonNull::new(unsafe { pq_sys::PQgetResult(self.handle.as_ptr()) }).map(RawResult::new))
    }

    fn consume(&mut self) -> QueryResult<()> {
        // An error of the connection is also the next result, with its SQLSTATE
        // if the server gave one.
        // SAFETY: the handle is valid until `drop`.
        match unsafe { pq_sys::PQconsumeInput(self.handle.as_ptr()) } {
            1 => Ok(()),
            _ if !self.is_connected() => Ok(()),
            _ => Err(connection_error(&self.last_error())),
        }
    }

    /// Waits until the socket is ready. A connection whose reply did not come
    /// in time is of no more use: the reply may come later.
    fn wait(&mut self, flags: PollFlags, until: Option<Instant>) -> QueryResult<()> {
        if self.poll(flags, until)? { Ok(()) } else { Err(no_reply()) }
    }

    /// Waits until the socket is ready; returns whether it is.
    fn poll(&mut self, flags: PollFlags, until: Option<Instant>) -> QueryResult<bool> {
        // SAFETY: the handle is valid until `drop`.
        let socket = unsafe { pq_sys::PQsocket(self.handle.as_ptr()) };
        if socket < 0 {
            return Err(connection_error(&self.last_error()));
        }
        // SAFETY: the socket is open: it is libpq's, and nothing closes it here.
        let socket = unsafe { BorrowedFd::borrow_raw(socket) };
        loop {
            let left = until.map(|until| until.saturating_duration_since(now()));
            let timeout = left.map(|left| Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            });
            match poll(&mut [PollFd::from_borrowed_fd(socket, flags)], timeout.as_ref()) {
                Ok(ready) => return Ok(ready > 0),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(connection_error(&error.to_string())),
            }
        }
    }

    fn last_error(&self) -> String {
        // SAFETY: the handle is valid, and the text is copied at once.
        unsafe { text(pq_sys::PQerrorMessage(self.handle.as_ptr())) }.unwrap_or_default()
    }
}

impl Drop for RawConnection {
    fn drop(&mut self) {
        // SAFETY: the handle is valid, and nobody uses it after this.
        unsafe { pq_sys::PQfinish(self.handle.as_ptr()) };
    }
}

/// A deadline of a wait for a file descriptor, which the system counts on the
/// same clock.
#[expect(clippy::disallowed_methods, reason = "a deadline of poll(2), not of a lease")]
fn now() -> Instant {
    Instant::now()
}

extern "C" fn receive_notice(notices: *mut c_void, result: *const PGresult) {
    // SAFETY: `connect` registered this address, which outlives the connection;
    // libpq calls only from within calls on the connection, which are exclusive.
    let Notices(notices) = unsafe { &mut *notices.cast::<Notices>() };
    if notices.len() < MAX_NOTICES {
        // SAFETY: libpq passes a valid result for the duration of the call.
        let (sqlstate, message) =
            unsafe { (error_field(result, field::SQLSTATE), error_field(result, field::MESSAGE)) };
        notices.push(Notice { sqlstate: sqlstate.unwrap_or_default(), message: message.unwrap_or_default() });
    }
}
