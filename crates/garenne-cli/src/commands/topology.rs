//! `garenne topology`.

use garenne::admin::BrokerAdmin;
use garenne::core::{Entity, Headers, Queue, Value, json};
use serde_json::{Value as Json, json};

use crate::args::Topology;
use crate::exit::{Done, Trouble, say};
use crate::output::{Column, Screen, Table};

pub(crate) async fn run(topology: &Topology) -> Result<Done, Trouble> {
    let queues: Vec<_> = topology
        .queue
        .iter()
        .map(|name| topology.shape.queue(name))
        .collect();
    check(&queues)?;
    let mut screen = Screen::new();
    let mut table = Table::new(&[
        Column::text("WHAT"),
        Column::text("NAME"),
        Column::flexible("ARGUMENTS"),
    ]);
    for entity in queues.iter().flat_map(Queue::topology) {
        if topology.json {
            screen.json(&as_json(&entity)?)?;
        } else {
            table.row(&cells(&entity), &mut screen)?;
        }
    }
    table.write(&mut screen)?;
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

fn cells(entity: &Entity) -> Vec<String> {
    let (what, name) = name(entity);
    let arguments = match entity {
        Entity::Queue(queue) => listed(&queue.args),
        Entity::Exchange(exchange) => format!("type={}", exchange.kind),
        Entity::Binding(binding) => format!("routing-key={}", binding.routing_key),
        Entity::ExchangeBinding(binding) => format!("routing-key={}", binding.routing_key),
    };
    vec![what.to_owned(), name, arguments]
}

fn listed(arguments: &Headers) -> String {
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
    arguments.collect::<Vec<_>>().join(" ")
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
