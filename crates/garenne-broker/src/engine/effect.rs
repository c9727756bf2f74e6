//! What follows from what happened.

use std::time::Duration;

use super::ConnectionId;
use crate::exception::Exception;
use crate::wire::Output;

/// What the world must do because of what happened.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Send something, after everything that was to be sent before.
    Send(ConnectionId, Output),
    /// The limits of a connection are agreed on.
    Tuned {
        connection: ConnectionId,
        frame_max: usize,
        heartbeat: Duration,
    },
    /// The handshake is over.
    Opened(ConnectionId),
    /// Stop (or go on) reading from a connection that is blocked.
    Block(ConnectionId, bool),
    /// A close was sent or answered: give the peer a moment to answer, or to end the socket.
    Closing(ConnectionId),
    /// Everything is said: close when it is written.
    Hangup(ConnectionId),
}

/// What most methods come to.
pub(super) type Outcome = Result<(), Exception>;
