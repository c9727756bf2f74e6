//! An alert, seen from outside.

/// The news that an alert told and could not tell, since the start of this process.
///
/// News is counted in items: ten thousand failures told in a single call count as ten thousand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlertStatus {
    /// The name of the alert.
    pub name: String,
    /// Items of news that were told.
    pub told: u64,
    /// Items of news that wait to be told.
    pub pending: u64,
    /// Items of news that were dropped, because they could not be told in time.
    pub dropped: u64,
    /// Calls made.
    pub calls: u64,
    /// Calls that failed.
    pub failed_calls: u64,
    /// Why the last call failed; `None` when it succeeded.
    pub last_error: Option<String>,
}
