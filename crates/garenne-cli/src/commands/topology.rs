//! `garenne topology`.

use garenne::admin::BrokerAdmin;
use garenne::core::{Entity, Headers, Queue, Value, json};
use serde_json::{Value as Json, json};

use crate::args::Topology;
use crate::exit::{Done, Trouble, say};
use crate::output::{STRONG, Screen, clean, styled};

pub(crate) async fn run(topology: &Topology) -> Result<Done, Trouble> {
    let queues: Vec<_> = topology
        .queue
        .iter()
        .map(|name| topology.shape.queue(name))
        .collect();
    check(&queues)?;
    let mut screen = Screen::new();
    for entity in queues.iter().flat_map(Queue::topology) {
        if topology.json {
            screen.json(&as_json(&entity)?)?;
        } else {
            shown(&entity, &mut screen)?;
        }
    }
    if topology.declare {
        declare(topology, &queues).await?;
    }
    Ok(Done::Everything)
}

/// Whether such queues can be.
pub(super) fn check(queues: &[Queue]) -> Result<(), Trouble> {
    let faults: Vec<_> = queues
        .iter()
        .flat_map(Queue::faults)
        .map(|fault| fault.to_string())
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Trouble::usage(faults.join("; ")))
    }
}

async fn declare(topology: &Topology, queues: &[Queue]) -> Result<(), Trouble> {
    let broker = BrokerAdmin::connect(topology.url.as_deref()).await?;
    let mut declared = Ok(());
    for queue in queues {
        declared = broker.declare(queue).await;
        if declared.is_err() {
            break;
        }
    }
    let address = broker.address().to_owned();
    broker.close().await;
    declared?;
    say(&format!("declared on {address}"));
    Ok(())
}

/// What an entity is, and its name.
pub(super) fn name(entity: &Entity) -> (&'static str, String) {
    match entity {
        Entity::Queue(queue) => ("queue", queue.name.clone()),
        Entity::Exchange(exchange) => ("exchange", exchange.name.clone()),
        Entity::Binding(binding) => (
            "binding",
            format!("{} from {}", binding.queue, binding.exchange),
        ),
        Entity::ExchangeBinding(binding) => (
            "binding",
            format!("{} from {}", binding.destination, binding.source),
        ),
    }
}

/// A line for what it is, and one for each argument: those are long, and every word of them counts.
fn shown(entity: &Entity, screen: &mut Screen) -> Result<(), Trouble> {
    let (what, name) = name(entity);
    let what = styled(STRONG, &format!("{what:<8}"));
    screen.line(&format!("{what} {}", clean(&name)))?;
    let arguments = match entity {
        Entity::Queue(queue) => listed(&queue.args),
        Entity::Exchange(exchange) => vec![format!("type={}", exchange.kind)],
        Entity::Binding(binding) => vec![format!("routing-key={}", binding.routing_key)],
        Entity::ExchangeBinding(binding) => vec![format!("routing-key={}", binding.routing_key)],
    };
    for argument in arguments {
        screen.line(&format!("    {}", clean(&argument)))?;
    }
    Ok(())
}

fn listed(arguments: &Headers) -> Vec<String> {
    let shown = |value: &Value| match value {
        Value::Text(text) if text.is_empty() => "\"\"".to_owned(),
        Value::Text(text) => text.clone(),
        other => other
            .as_integer()
            .map_or_else(|| format!("{other:?}"), |number| number.to_string()),
    };
    let arguments = arguments
        .iter()
        .map(|(name, value)| format!("{name}={}", shown(value)));
    arguments.collect()
}

fn as_json(entity: &Entity) -> Result<Json, Trouble> {
    Ok(match entity {
        Entity::Queue(queue) => json!({
            "queue": queue.name,
            "durable": true,
            "arguments": json::write_headers(&queue.args).map_err(Trouble::internal)?,
        }),
        Entity::Exchange(exchange) => json!({
            "exchange": exchange.name,
            "type": exchange.kind.as_str(),
            "durable": true,
        }),
        Entity::Binding(binding) => json!({
            "binding": {
                "exchange": binding.exchange,
                "queue": binding.queue,
                "routing_key": binding.routing_key,
            },
        }),
        Entity::ExchangeBinding(binding) => json!({
            "binding": {
                "exchange": binding.source,
                "to_exchange": binding.destination,
                "routing_key": binding.routing_key,
            },
        }),
    })
}
