//! The producer.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use garenne::core::Fault;
use garenne::prelude::*;

use crate::shared::{self, Shared};

/// Sends these bodies, all with the same delay.
pub(crate) fn run(
    shared: &Shared,
    faults: &[Fault],
    delay: Option<Duration>,
    bodies: &[&str],
) -> ExitCode {
    if let Some(fault) = faults.first() {
        return shared::refuse(&fault.to_string());
    }
    match send(shared, delay, bodies) {
        Ok(()) => {
            shared::say(&format!("{} confirmed", bodies.len()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            shared::refuse(&format!("failed to send: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn send(
    shared: &Shared,
    delay: Option<Duration>,
    bodies: &[&str],
) -> Result<(), Box<dyn Error>> {
    let publisher = Publisher::from_env().connect().await?;
    let queue = publisher.golang_rabbitmq(shared.contract())?;
    for body in bodies {
        let message = queue.message(*body);
        match delay {
            Some(delay) => queue.send_after(message, delay).await?,
            None => queue.send(message).await?,
        }
    }
    publisher.close().await;
    Ok(())
}
