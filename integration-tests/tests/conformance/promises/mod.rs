//! Cases on what garenne promises.

mod outages;
mod publishing;
mod retries;
mod stage;

use super::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    [retries::cases(), outages::cases(), publishing::cases()]
        .into_iter()
        .flatten()
        .collect()
}
