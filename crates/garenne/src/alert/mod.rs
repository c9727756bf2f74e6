//! Telling people: the user's alerts, called by tasks that nothing waits for.
//!
//! Code that has news tells the [`Desk`], which counts it and returns at once. A task per alert calls the
//! user's actor when its pager says so.

mod desk;
mod line;
mod message;
mod setup;
mod status;
mod teller;
mod voice;

pub(crate) use desk::Desk;
pub use message::{Alert, AlertError};
pub use setup::AlertSetup;
pub use status::AlertStatus;
pub(crate) use teller::Tellers;
