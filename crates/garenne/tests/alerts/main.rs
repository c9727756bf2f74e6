//! What alerts promise: people are told, once and in numbers; nothing waits for them.

#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

mod bad_news;
mod support;
mod telling;
mod trouble;
mod watching;
