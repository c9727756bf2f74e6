//! Consuming: an actor per worker, a task per channel, one file with the life of a delivery.

mod acks;
mod actor;
mod answers;
mod attempt_result;
mod channel;
mod channel_alive;
mod feed;
mod function;
mod handle;
mod handler;
mod hold;
mod hub;
mod in_hand;
mod life;
mod recall;
mod replies;
mod running;
mod sent;
mod settle;
mod sharing;
mod stage;
mod start;
mod stragglers;
mod subscription;
mod worker;

use actor::ConsumerActor;
pub(crate) use actor::Resubscribe;
pub(crate) use function::FnHandler;
pub use handle::{ByActor, ByHandle, Handle, IntoHandler};
use handler::HandlerCell;
pub(crate) use hub::{Hub, Mode, WorkerId, WorkerNews, WorkerReport};
pub(crate) use recall::Recall;
pub(crate) use replies::Replies;
pub(crate) use sharing::Sharing;
pub(crate) use start::{StartWorker, WorkerStart, start_worker};
pub(crate) use worker::{Settings, Worker};
