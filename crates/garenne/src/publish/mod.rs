//! Publishing with confirms: one owner task per confirm channel.

mod connect;
mod delays;
mod error;
mod job;
mod keeper;
mod levels;
mod outgoing;
mod owner;
mod publisher;
mod retry;
mod session;

pub use connect::{ConnectError, ConnectErrorKind, PublisherBuilder};
pub use delays::Delays;
pub use error::PublishError;
pub(crate) use job::{Job, WhenBlocked};
pub(crate) use outgoing::new_message_id;
pub use outgoing::{Outgoing, Payload};
pub(crate) use owner::{ConfirmChannel, Jobs, Limits, channel, start};
pub(crate) use publisher::CONFIRM_TIMEOUT;
pub use publisher::Publisher;
pub(crate) use retry::{RetryCopy, RetryPublisher};
