//! Alerts: which news are people told, when, and how often.
//!
//! Ten thousand equal failures are a single piece of news. [`Pager`] gathers [`News`] by [`Subject`], tells
//! them as a [`Digest`] no more often than its [`Pace`] allows, and counts the news that it could not tell.
//! Its memory does not grow with the number of news.

mod digest;
mod limit;
mod news;
mod outage;
mod pace;
mod pager;
mod subject;
mod words;

pub use digest::{Digest, Item};
pub use limit::CallLimit;
pub use news::News;
pub use outage::OutageAlarm;
pub use pace::Pace;
pub use pager::{Pager, Step, Tally};
pub use subject::{Severity, Subject};
