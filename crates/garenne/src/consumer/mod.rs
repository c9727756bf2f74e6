//! Consuming: an actor per worker, a task per channel, one file with the life of a delivery.

mod acks;
mod actor;
mod answers;
mod channel;
mod feed;
mod function;
mod handler;
mod hold;
mod hub;
mod in_hand;
mod life;
mod line;
mod outbox;
mod recall;
mod replies;
mod settle;
mod sharing;
mod start;
mod stragglers;
mod subscription;
mod worker;

use actor::ConsumerActor;
pub(crate) use actor::Resubscribe;
pub(crate) use function::FnHandler;
use handler::HandlerCell;
pub(crate) use hub::{Hub, Mode, WorkerId, WorkerNews, WorkerReport};
pub(crate) use recall::Recall;
pub(crate) use replies::Replies;
pub(crate) use sharing::Sharing;
pub(crate) use start::{StartWorker, WorkerStart, start_worker};
pub(crate) use worker::{Settings, Worker};
