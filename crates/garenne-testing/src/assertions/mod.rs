//! What can be asserted about a system under test.
//!
//! Assertions are plain functions about the present: they look once, and fail with everything that
//! is there. Waiting is done before, with [`settled`](crate::TestSystem::settled).

mod gone;
mod parked;
mod published;
pub(crate) mod record;
mod retried;

pub use gone::Handled;
pub use parked::Parked;
pub use published::Published;
pub use retried::Retried;
