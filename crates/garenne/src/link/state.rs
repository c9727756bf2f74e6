//! The state of a link, for other modules.

use super::Link;

/// The state of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// There is no link.
    #[default]
    Down,
    /// The link works.
    Up {
        /// The broker's address, without credentials.
        broker: String,
        /// The epoch of the link.
        epoch: u64,
        /// Why the broker blocks publishing on this link, while it does (memory or disk alarm).
        blocked: Option<String>,
    },
}

impl LinkState {
    pub(crate) fn of(link: Option<&Link>) -> Self {
        match link {
            None => Self::Down,
            Some(link) => Self::Up {
                broker: link.broker.clone(),
                epoch: link.epoch.0,
                blocked: link.blocked().borrow().clone(),
            },
        }
    }
}
