//! A real service to copy: an actor that handles orders, configured by its environment.
//!
//! It consumes JSON such as `{"order_id": 7, "do": "ok"}` and prints one JSON line on standard output
//! when a run of its handler begins and one when it ends; logs go to standard error. What `do` may
//! be is in [`orders`], what can be configured in [`config`] and in `SystemBuilder::from_env`.
//!
//! ```text
//! AMQP_URL=amqp://localhost ORDERS_RETRY='20s*3' cargo run -p order-service
//! ```

mod config;
mod orders;

use std::process::ExitCode;

use garenne::prelude::*;

use crate::config::Config;
use crate::orders::Orders;

fn main() -> ExitCode {
    let (config, faults) = Config::from_env();
    let mut system = SystemBuilder::from_env()
        .with_faults(faults)
        .consume(config.queue(), Orders::default);
    if let Some(alert) = config.alert() {
        system = system.alert(alert);
    }
    system.run()
}
