//! The number of a link's incarnation.

use std::fmt;

/// The number of a link's incarnation; every new connection gets the next number.
///
/// A channel, a delivery tag or an event with an older epoch belongs to a lost connection. It is dropped,
/// never acted on: the same tag means another message now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The next epoch.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_epoch_is_newer() {
        let epoch = Epoch::default();
        assert!(epoch.next() > epoch);
        assert_eq!(epoch.next().to_string(), "1");
    }
}
