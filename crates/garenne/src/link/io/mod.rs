//! The bytes of a link: the parts that read them and write them.
//!
//! ```text
//!            ┌─ messages, confirms, returns ─▶ Inbox of the channel ─▶ the task that has the Port
//! socket ─▶ Task
//!            └─ every other frame ───────────▶ Feed ─▶ lapin
//!
//! socket ◀─ Out ◀─┬─ messages, acks ───────── Port
//!                 └─ every other frame ────── Pipe ◀── lapin
//! ```
//!
//! lapin keeps the connection, its channels, consumers and declares: all calls with an answer. It sees no
//! message, in neither direction, so nothing in a message can stop it. Its socket is a [`Pipe`](pipe::Pipe).

mod frames;
mod inbox;
mod kit;
mod login;
mod out;
mod pipe;
mod port;
#[cfg(test)]
mod scripted;
mod shared;
mod task;
mod transport;

pub(crate) use frames::Publish;
pub(crate) use inbox::Incoming;
pub(in crate::link) use kit::Kit;
pub(in crate::link) use login::Login;
pub(in crate::link) use pipe::Pipe;
pub(crate) use port::{Port, Subscription, Writer};
pub(in crate::link) use shared::{Shared, start};
pub(in crate::link) use transport::{Socket, Stream};
