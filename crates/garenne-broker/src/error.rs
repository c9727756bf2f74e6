//! What can go wrong with a broker.

use std::fmt;
use std::time::Duration;

/// A failure of the embedded broker.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    Listen {
        /// The address.
        addr: std::net::SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The address is not on the loopback interface. This broker has one password and no TLS; it
    /// is for tests, not for a network.
    NotLoopback {
        /// The address.
        addr: std::net::SocketAddr,
    },
    /// An option has a value that makes no sense.
    Option {
        /// What is wrong, and what would be right.
        message: String,
    },
    /// The thread of the broker cannot be started.
    Thread {
        /// What the system says.
        source: std::io::Error,
    },
    /// The broker was shut down.
    Stopped,
    /// There is no queue of this name.
    NoQueue {
        /// The name.
        queue: String,
    },
    /// What was waited for did not happen in time.
    TimedOut {
        /// How long was waited.
        waited: Duration,
        /// The state at the end, for whoever reads the test's output.
        state: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { addr, .. } => write!(f, "cannot listen on {addr}"),
            Self::NotLoopback { addr } => write!(
                f,
                "{addr} is not a loopback address, and the embedded broker listens on no other"
            ),
            Self::Option { message } => f.write_str(message),
            Self::Thread { .. } => f.write_str("cannot start the broker's thread"),
            Self::Stopped => f.write_str("the embedded broker was shut down"),
            Self::NoQueue { queue } => write!(f, "there is no queue '{queue}'"),
            Self::TimedOut { waited, state } => {
                write!(
                    f,
                    "what was waited for did not happen in {waited:?}; {state}"
                )
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } | Self::Thread { source } => Some(source),
            _ => None,
        }
    }
}
