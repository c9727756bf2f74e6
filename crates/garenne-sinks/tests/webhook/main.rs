//! What webhooks promise: few calls whose numbers add up, refusals that are seen, secrets that stay
//! secret.

#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

mod bursts;
mod refusals;
mod secrets;
mod signatures;
mod support;
#[path = "../../../garenne/tests/alerts/watching.rs"]
mod watching;
