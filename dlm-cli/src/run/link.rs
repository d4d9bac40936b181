//! Orders and reports between the wrapper and the supervisor: JSON, one message a packet.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const MAX_PACKET: usize = 4096;

/// From the wrapper to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// The guard's deadline, in nanoseconds of `CLOCK_BOOTTIME`.
    Deadline(u64),
    /// A signal for the command. The terminal may have delivered it already.
    Forward { signal: i32, delivered: bool },
    /// The lock is lost: kill everything.
    Kill,
}

/// From the supervisor to the wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// The command was stopped, as by Ctrl-Z.
    Stopped,
    /// The command was continued after that.
    Continued,
    /// The command gets SIGTERM, since the lock was not renewed in time.
    Terminating,
    /// The command has ended, and left this number of processes behind.
    Leftover(usize),
    /// No process is left.
    Ended(Ended),
}

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) status: CommandStatus,
    /// The supervisor ended it, since the lock was lost or about to be.
    pub(super) cut_short: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CommandStatus {
    Exited(i32),
    Signaled(i32),
    /// It was never started.
    NotStarted,
}

/// A pair of connected sockets that keep packets apart.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Sends a message. Returns false if the peer does not take it: it is stopped and its buffer is
/// full, or it has ended.
pub(super) fn send_message(socket: impl AsFd, message: &impl Serialize) -> bool {
    let Ok(packet) = serde_json::to_vec(message) else { return false };
    send(socket, &packet, SendFlags::DONTWAIT | SendFlags::NOSIGNAL).is_ok()
}

/// What was received.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received<T> {
    Message(T),
    /// The peer has ended.
    Closed,
    /// Nothing yet.
    None,
}

/// Receives a message, without waiting.
pub(super) fn receive_message<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<Received<T>> {
    let mut packet = [0; MAX_PACKET];
    match recv(socket, &mut packet, RecvFlags::DONTWAIT) {
        Ok((0, _)) | Err(Errno::CONNRESET) => Ok(Received::Closed),
        Ok((length, _)) => Ok(Received::Message(serde_json::from_slice(&packet[..length])?)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(Received::None),
        Err(error) => Err(error.into()),
    }
}

/// Sends a descriptor.
pub(super) fn send_descriptor(socket: impl AsFd, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[IoSlice::new(b"d")], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Waits for a descriptor. None if the peer has ended.
pub(super) fn receive_descriptor(socket: impl AsFd) -> io::Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut packet = [0; 1];
    recvmsg(socket, &mut [IoSliceMut::new(&mut packet)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let received = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_one_by_one_until_the_peer_is_gone() {
        let (here, there) = pair().unwrap();
        assert_eq!(receive_message::<Order>(&there).unwrap(), Received::None);
        assert!(send_message(&here, &Order::Deadline(7)) && send_message(&here, &Order::Kill));
        drop(here);
        assert_eq!(receive_message(&there).unwrap(), Received::Message(Order::Deadline(7)));
        assert_eq!(receive_message(&there).unwrap(), Received::Message(Order::Kill));
        assert_eq!(receive_message::<Order>(&there).unwrap(), Received::Closed);
        assert!(!send_message(&there, &Report::Stopped));
    }

    #[test]
    fn descriptor_is_sent_and_closed_on_exec() {
        let (here, there) = pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        send_descriptor(&here, file.as_fd()).unwrap();
        let received = receive_descriptor(&there).unwrap().unwrap();
        assert!(rustix::io::fcntl_getfd(&received).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        assert_eq!(rustix::fs::fstat(&received).unwrap().st_ino, rustix::fs::fstat(&file).unwrap().st_ino);
        drop(here);
        assert!(receive_descriptor(&there).unwrap().is_none());
    }
}
