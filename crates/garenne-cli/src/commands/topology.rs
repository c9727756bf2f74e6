//! `garenne topology`.

use garenne::admin::{BrokerAdmin, Declared, Difference, risks};
use garenne::core::{Declare, Entity, Headers, Queue, Value, json};
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
        return declare(topology, &queues).await;
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

async fn declare(topology: &Topology, queues: &[Queue]) -> Result<Done, Trouble> {
    let broker = BrokerAdmin::connect(topology.url.as_deref()).await?;
    let address = broker.address().to_owned();
    let declared = declare_all(&broker, topology, queues).await;
    broker.close().await;
    let all = declared?;
    for (entity, declared) in &all {
        let (what, name) = name(entity);
        say(&clean(&format!("{what} {name}: {}", told(declared))));
    }
    let left = all.iter().filter(|(_, it)| !it.is_good()).count();
    if left == 0 {
        say(&format!("declared on {address}"));
        return Ok(Done::Everything);
    }
    let is_refusal = |it: &Declared| matches!(it, Declared::Refused { .. } | Declared::Missing);
    let text = format!(
        "{left} of {} cannot be used as they are on {address}",
        all.len()
    );
    if all.iter().any(|(_, it)| is_refusal(it)) {
        return Err(Trouble::refused(text));
    }
    Err(Trouble::failed(text))
}

async fn declare_all(
    broker: &BrokerAdmin,
    topology: &Topology,
    queues: &[Queue],
) -> Result<Vec<(Entity, Declared)>, Trouble> {
    let mode = if topology.adopt {
        Declare::Verify
    } else {
        Declare::Create
    };
    let mut all = Vec::new();
    for queue in queues {
        all.extend(broker.declare_each(&queue.clone().declare(mode)).await?);
    }
    Ok(all)
}

/// What became of an entity.
fn told(declared: &Declared) -> String {
    match declared {
        Declared::Made => "made".to_owned(),
        Declared::There => "there as wanted".to_owned(),
        Declared::Unseen => "there; this user may not see with which arguments".to_owned(),
        Declared::Adopted { differences } => {
            let mut told = format!("adopted; differs in {}", listed(differences));
            for risk in risks(differences) {
                told.push_str("; ");
                told.push_str(risk);
            }
            told
        }
        Declared::Differs { differences } if is_stream(differences) => format!("LEFT: {STREAM}"),
        Declared::Differs { differences } => format!(
            "LEFT: differs in {}; adopt the queue (`--adopt`, and `Declare::Verify` in the service), declare it so, or delete it when it is \
             empty",
            listed(differences)
        ),
        Declared::Missing => "LEFT: not there; without --adopt it is made".to_owned(),
        Declared::Refused { reason } => format!("LEFT: {reason}"),
        _ => "unknown".to_owned(),
    }
}

/// What to do about a queue that is none.
pub(super) const STREAM: &str =
    "a stream, which garenne does not consume; bind a quorum queue to the exchange that fills it";

pub(super) fn is_stream(differences: &[Difference]) -> bool {
    let is_one =
        |it: &Difference| it.argument == "x-queue-type" && it.found.as_deref() == Some("stream");
    differences.iter().any(is_one)
}

/// Differences as one text.
pub(super) fn listed(differences: &[Difference]) -> String {
    let shown: Vec<_> = differences.iter().map(Difference::to_string).collect();
    shown.join(", ")
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
        Entity::Queue(queue) => arguments_of(&queue.args),
        Entity::Exchange(exchange) => vec![format!("type={}", exchange.kind)],
        Entity::Binding(binding) => vec![format!("routing-key={}", binding.routing_key)],
        Entity::ExchangeBinding(binding) => vec![format!("routing-key={}", binding.routing_key)],
    };
    for argument in arguments {
        screen.line(&format!("    {}", clean(&argument)))?;
    }
    Ok(())
}

fn arguments_of(arguments: &Headers) -> Vec<String> {
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
