//! Lanes and parking queues that a user or a policy has deleted: they are declared again, and that is logged.

use garenne_core::{Declare, Entity, Queue};
use tracing::{debug, warn};

use super::adopt::make;
use super::declare::Bench;
use super::{Link, LinkError};

/// Declares missing entities again, after a message has shown that an entity is missing.
pub(crate) async fn restore(link: &Link, queue: &Queue) -> Result<(), LinkError> {
    let gone = missing(link, queue).await?;
    let made = make(link, queue).await;
    tell(queue, &gone, made.as_ref().err());
    made
}

/// Checks for missing entities, and declares them again. Without the right to declare, garenne cannot know
/// whether they ever existed.
pub(crate) async fn restore_gone(link: &Link, queue: &Queue) {
    if queue.declare == Declare::Off {
        return;
    }
    match missing(link, queue).await {
        Ok(gone) if gone.is_empty() => {}
        Ok(gone) => {
            let made = make(link, queue).await;
            tell(queue, &gone, made.as_ref().err());
        }
        Err(error) => debug!(queue = queue.name(), %error, "cannot look at the queue's lanes"),
    }
}

/// The lanes and the parking queue that do not exist.
async fn missing(link: &Link, queue: &Queue) -> Result<Vec<String>, LinkError> {
    let mut bench = Bench::new(link);
    let looking = async {
        let mut missing = Vec::new();
        for entity in queue.topology() {
            let Entity::Queue(own) = entity else { continue };
            match bench.look_for(&own.name).await {
                Err(error) if error.is_missing() => missing.push(own.name),
                other => other?,
            }
        }
        Ok(missing)
    };
    link.while_up(looking).await
}

/// Their messages are lost, and only garenne reports it.
fn tell(queue: &Queue, gone: &[String], error: Option<&LinkError>) {
    if gone.is_empty() {
        return;
    }
    warn!(
        event = "queue_gone",
        queue = queue.name(),
        gone = gone.join(", "),
        error = error.map(tracing::field::display),
        "queues are gone that this service needs, with what they held; making them again. Look for a policy with `expires`, and for who deleted them"
    );
}
