//! Consuming: an actor per worker, a task per channel, one file with the life of a delivery.

mod acks;
mod actor;
mod answers;
mod channel;
mod direct;
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
pub(crate) use direct::DirectReplies;
pub(crate) use function::FnHandler;
use handler::HandlerCell;
pub(crate) use handler::panic_text;
pub(crate) use hub::{Hub, Identity, Mode, WorkerId, WorkerNews, WorkerReport};
pub(crate) use outbox::{Outbox, RunId, Way, derived_id};
pub(crate) use recall::Recall;
pub(crate) use replies::Replies;
pub(crate) use sharing::Sharing;
pub(crate) use start::start_worker;
pub(crate) use worker::{Settings, Worker};
