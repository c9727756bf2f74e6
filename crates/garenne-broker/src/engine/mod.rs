//! The broker without sockets: frames and time come in, effects go out.
//!
//! Nothing here waits, reads a clock or knows a socket. Every entry point takes what happened and
//! when, changes the state, and leaves what must be sent in a list of [`Effect`]s.

mod arguments;
mod auth;
mod channel;
mod confirm;
mod connection;
mod consume;
mod content;
mod crash;
mod dead_letter;
mod dispatch;
mod effect;
mod exchange;
mod exchanges;
mod faults;
mod handshake;
mod headers;
mod message;
mod names;
mod options;
mod publish;
mod queue;
mod queues;
mod reply_to;
mod routing;
mod settle;
mod state;
#[cfg(test)]
mod tests;
mod timers;
mod tx;
mod values;
mod vhost;
mod view;

pub(crate) use channel::Channel;
pub(crate) use connection::Connection;
pub(crate) use consume::Consumer;
pub(crate) use effect::Effect;
use effect::Outcome;
pub(crate) use exchange::{Exchange, ExchangeKind};
pub use faults::ChannelPick;
pub(crate) use message::{Entry, Message, Reason};
pub(crate) use names::{ChannelKey, ConnectionId, ConsumerId, Name, Time};
pub(crate) use options::Options;
pub(crate) use queue::{Queue, QueueId};
pub(crate) use state::Engine;
pub(crate) use vhost::VHost;
