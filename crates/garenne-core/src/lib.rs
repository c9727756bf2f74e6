//! The decisions of garenne, as pure functions and state machines.
//!
//! This crate must not depend on tokio, actix or lapin, and must not read a clock or make random
//! numbers: time ([`Moment`], `SystemTime`) and randomness come in as arguments. So every decision
//! that garenne makes can be tested in milliseconds, in every order of events, without a broker.
//!
//! | question | answered by |
//! |---|---|
//! | what happens to a message after an attempt? | [`decide`] |
//! | which acks may be sent now? | [`Ledger`] |
//! | wait for the broker, or give up? | [`Outage`], [`OutageWindow`] |
//! | when is a lost link dialled again? | [`Redial`], [`Backoff`] |
//! | when is a failed message tried again? | [`Retry`], [`lane_for`] |
//! | what must exist on the broker? | [`Queue::topology`], [`delay::levels`], [`GolangRabbitmq`] |
//! | how does a message wait for a second, or for years? | [`Delay`] |
//! | which parts of a foreign message can be read? | [`PropertyList`], [`Properties::decode`] |
//! | which properties does a copy of a message have? | [`retry_copy`], [`FailedMessage`] |
//! | which failed messages does a search select? | [`FailedQuery`] |
//! | may a service that does not answer be asked again? | [`Breaker`] |
//! | when is a message published, and which confirm is its own? | [`Publishing`] |
//! | open a new channel because the broker refuses messages? | [`Refusals`] |
//! | how many messages may a fresh process hold at once? | [`Caution`] |
//! | how many restarts are too many? | [`RestartLimit`] |
//! | log a repeated event, or count it? | [`Throttle`] |
//! | which news are people told, when, and how often? | [`alert::Pager`] |
//! | which exit code does the process have? | [`StopReason`] |
//! | which parts of a bad value may be repeated? | [`secret::shown`], [`url::UrlParts`] |

pub mod alert;
pub mod attempt;
pub mod backoff;
pub mod breaker;
pub mod caution;
pub mod copy;
mod death;
pub mod delay;
pub mod duration;
pub mod entity;
pub mod epoch;
pub mod exit;
pub mod failed;
pub mod fault;
pub mod golang_rabbitmq;
pub mod header;
pub mod json;
pub mod lane;
pub mod ledger;
mod naming;
pub mod outage;
pub mod outcome;
pub mod properties;
pub mod publishing;
pub mod queue;
pub mod reader;
pub mod redial;
pub mod refusals;
pub mod restart;
pub mod retry;
pub mod secret;
mod stamp;
pub mod throttle;
pub mod time;
pub mod topology;
pub mod trace;
pub mod unread;
pub mod url;
pub mod value;
pub mod window;
pub mod wire;

pub use attempt::{Attempt, RETRY_NUMS, read_attempt};
pub use backoff::Backoff;
pub use breaker::Breaker;
pub use caution::Caution;
pub use copy::{Origin, Original, is_copy, original, retry_copy};
pub use delay::{Delay, DelayError, Destination};
pub use duration::{DurationError, DurationExt, compact, parse_duration};
pub use entity::{
    BindingEntity, Declare, Entity, ExchangeBindingEntity, ExchangeEntity, ExchangeKind,
    QueueEntity, QueueKind, UnknownKind,
};
pub use epoch::Epoch;
pub use exit::StopReason;
pub use failed::{FailedMessage, FailedQuery};
pub use fault::Fault;
pub use golang_rabbitmq::GolangRabbitmq;
pub use lane::lane_for;
pub use ledger::{Ack, Ledger, LedgerError};
pub use outage::{Ended, GaveUp, Next, Outage, Phase, STABLE_AFTER, Summary};
pub use outcome::{FailReason, Outcome, Settlement, UnknownReason, Wish, decide};
pub use properties::Properties;
pub use publishing::Publishing;
pub use queue::{DEADLINE, DELIVERY_LIMIT, PREFETCH, Queue, WORKERS};
pub use redial::{AfterFailure, Again, AtOnce, Redial, UnderWay};
pub use refusals::Refusals;
pub use restart::RestartLimit;
pub use retry::{Retry, RetryError};
pub use stamp::within_years_of_four_digits;
pub use throttle::Throttle;
pub use time::Moment;
pub use topology::Topology;
pub use trace::TraceContext;
pub use unread::{TextProperty, Unread, UnreadPart};
pub use value::{Headers, Value, headers_len};
pub use window::{OutageWindow, WindowError};
pub use wire::{PropertyList, RawValue, readable};
