//! Publishing with confirms: one owner task per confirm channel.

mod connect;
mod delays;
mod entrance;
mod error;
mod flight;
mod gate;
mod golang_rabbitmq;
mod job;
mod keeper;
mod levels;
mod outgoing;
mod owner;
mod probe;
mod publisher;
mod retry;
mod room;
mod send_all;
mod session;
mod status;
mod when_down;

pub use connect::{ConnectError, ConnectErrorKind, PublisherBuilder};
pub use delays::Delays;
pub use error::PublishError;
pub use golang_rabbitmq::GolangRabbitmqPublisher;
pub(crate) use job::Job;
pub(crate) use outgoing::new_message_id;
pub use outgoing::{Outgoing, Payload};
pub(crate) use owner::{ConfirmChannel, Jobs, Limits, channel, start};
pub(crate) use publisher::CONFIRM_TIMEOUT;
pub use publisher::Publisher;
pub(crate) use retry::{RetryCopy, RetryPublisher};
pub use send_all::{SendAll, Sent};
pub use status::PublisherStatus;
pub(crate) use when_down::Patience;
pub use when_down::WhenDown;
