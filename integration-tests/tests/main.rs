//! What garenne promises, shown on a real RabbitMQ.
//!
//! Each test's name is the promise; the modules group them by what is done to the service.

#[cfg(test)]
mod harness;
