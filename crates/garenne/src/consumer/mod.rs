//! Consuming: an actor per worker, a task per channel, one file with the life of a delivery.

mod actor;
mod channel;
mod handler;
mod hub;
mod life;
mod recall;
mod settle;
mod worker;

pub(crate) use actor::{ConsumerActor, Resubscribe};
pub(crate) use handler::{FnHandler, HandlerCell};
pub(crate) use hub::{Hub, Identity, Mode, WorkerId, WorkerNews, WorkerReport};
pub(crate) use recall::Recall;
pub(crate) use worker::{Settings, Worker};
