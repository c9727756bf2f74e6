//! What things in the engine are known by.

use std::sync::Arc;
use std::time::Duration;

/// A name, shared by everything that bears it.
pub(crate) type Name = Arc<str>;
/// A moment on the broker's clock, counted from its start.
pub(crate) type Time = Duration;
/// A channel is known by its connection and its number there.
pub(crate) type ChannelKey = (ConnectionId, u16);

/// Names a connection, once and for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// Names a consumer, once and for ever; its tag is unique in its channel only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConsumerId(pub(crate) u64);
