//! The errors of a ledger.

use std::fmt;

/// A use of the ledger that the protocol does not allow. The ledger is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerError {
    /// Tags of a channel follow each other without a gap. A `multiple` ack would settle unseen deliveries in
    /// the gap.
    OutOfOrder {
        /// The tag that was to be admitted.
        tag: u64,
        /// The tag that comes next.
        expected: u64,
    },
    /// The delivery is not running: it was never admitted, or has finished or been requeued.
    NotRunning {
        /// Its tag.
        tag: u64,
    },
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfOrder { tag, expected } => {
                write!(f, "delivery tag {tag} where {expected} should follow")
            }
            Self::NotRunning { tag } => write!(f, "delivery tag {tag} is not running"),
        }
    }
}

impl std::error::Error for LedgerError {}
