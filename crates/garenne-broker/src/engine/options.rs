//! What a broker is told when it is made.

use std::collections::HashMap;
use std::time::Duration;

use crate::password::Password;

/// What a broker is told once and for all.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) users: HashMap<String, Password>,
    pub(crate) vhosts: Vec<String>,
    pub(crate) channel_max: u16,
    pub(crate) frame_max: u32,
    pub(crate) heartbeat: u16,
    pub(crate) max_message_size: u64,
    pub(crate) consumer_timeout: Option<Duration>,
    pub(crate) product: String,
    pub(crate) version: String,
    /// Milliseconds since 1970 when the clock began.
    pub(crate) epoch_millis: u64,
}
