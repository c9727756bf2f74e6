//! The entities of the levels on the broker.

use super::{DUE, LEVELS, level_name};
use crate::entity::{
    BindingEntity, Entity, ExchangeBindingEntity, ExchangeEntity, ExchangeKind, QueueEntity,
    QueueKind,
};
use crate::value::Headers;

/// All entities that levels of this kind need. A dead-letter target stands before the queues that dead-letter
/// into it, because a broker silently loses a message whose target is missing.
#[must_use]
pub fn levels(kind: QueueKind) -> Vec<Entity> {
    let mut entities = vec![exchange(DUE.to_owned())];
    for level in 0..LEVELS {
        let (name, below) = (level_name(kind, level), below(kind, level));
        entities.push(exchange(name.clone()));
        entities.push(Entity::ExchangeBinding(ExchangeBindingEntity {
            source: name.clone(),
            destination: below.clone(),
            routing_key: pattern(level, '0'),
        }));
        entities.push(Entity::Queue(queue(kind, level, &below)));
        entities.push(Entity::Binding(BindingEntity {
            queue: name.clone(),
            exchange: name,
            routing_key: pattern(level, '1'),
        }));
    }
    entities
}

/// The exchange that a level passes messages on to.
fn below(kind: QueueKind, level: u32) -> String {
    match level.checked_sub(1) {
        Some(below) => level_name(kind, below),
        None => DUE.to_owned(),
    }
}

/// The pattern of routing keys that have this digit at this level.
fn pattern(level: u32, digit: char) -> String {
    let above = LEVELS - 1 - level;
    format!("{}{digit}.#", "*.".repeat(above as usize))
}

fn exchange(name: String) -> Entity {
    let kind = ExchangeKind::Topic;
    Entity::Exchange(ExchangeEntity { name, kind })
}

/// The queue of a level. It leaves routing keys unchanged, because the lower levels read them too.
fn queue(kind: QueueKind, level: u32, below: &str) -> QueueEntity {
    let ttl = 1000_i64 << level;
    let mut args = Headers::from([
        ("x-queue-type".to_owned(), kind.as_str().into()),
        ("x-message-ttl".to_owned(), ttl.into()),
        ("x-dead-letter-exchange".to_owned(), below.into()),
    ]);
    if kind == QueueKind::Quorum {
        args.insert("x-dead-letter-strategy".to_owned(), "at-least-once".into());
        args.insert("x-overflow".to_owned(), "reject-publish".into());
    }
    let name = level_name(kind, level);
    QueueEntity { name, kind, args }
}
