//! What garenne promises, shown on a real RabbitMQ.
//!
//! Each test's name is the promise; the modules group them by what is done to the service.

#[cfg(test)]
mod alerts;
#[cfg(test)]
mod api;
#[cfg(test)]
mod broker_moves;
#[cfg(test)]
mod clusters;
#[cfg(test)]
mod confirms;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod databases;
#[cfg(test)]
mod handlers;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod inboxes;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod parked;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
