//! The messages that all contenders handle.

use std::time::{SystemTime, UNIX_EPOCH};

use bench_plan::Format;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

/// An order in JSON, as long as all others.
pub fn body(number: u64, length: usize) -> Vec<u8> {
    padded(&format!(r#"{{"order_id":{number},"cents":1999,"#), length)
}

/// The same, with the time at which it is sent.
pub fn body_of_now(number: u64, length: usize) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = now.unwrap_or_default().as_nanos();
    let start = format!(r#"{{"order_id":{number},"cents":1999,"sent_ns":{nanos},"#);
    padded(&start, length)
}

fn padded(start: &str, length: usize) -> Vec<u8> {
    let frame = r#""note":""}"#.len();
    let note = "x".repeat(length.saturating_sub(start.len() + frame));
    format!(r#"{start}"note":"{note}"}}"#).into_bytes()
}

/// The message that carries this order.
pub fn of(format: Format, number: u64, order: Vec<u8>) -> (BasicProperties, Vec<u8>) {
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_type("application/json".into())
        .with_message_id(number.to_string().into());
    match format {
        Format::Plain => (properties, order),
        Format::CeleryTask => task(properties, number, &order),
    }
}

/// A call of the task `bench.charge`, as version 2 of Celery's protocol writes it.
fn task(properties: BasicProperties, number: u64, order: &[u8]) -> (BasicProperties, Vec<u8>) {
    let id = format!("bench-{number}");
    let mut headers = FieldTable::default();
    for (name, value) in [
        ("lang", "py"),
        ("task", "bench.charge"),
        ("id", &id),
        ("root_id", &id),
        ("origin", "bench"),
    ] {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    headers.insert("retries".into(), AMQPValue::LongInt(0));
    let properties = properties
        .with_content_encoding("utf-8".into())
        .with_correlation_id(id.into())
        .with_headers(headers);
    let embed = br#"{"callbacks":null,"errbacks":null,"chain":null,"chord":null}"#;
    let body = [b"[[", order, b"],{},", embed, b"]"].concat();
    (properties, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_is_json_of_the_same_length() {
        for (number, length) in [(0, 100), (7, 100), (u64::MAX, 100), (7, 10_000)] {
            for body in [body(number, length), body_of_now(number, length)] {
                assert_eq!(body.len(), length);
                let order: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
                assert_eq!(order["order_id"], number);
            }
        }
    }

    #[test]
    fn a_task_carries_the_order_as_its_only_argument() {
        let order = body(7, 100);
        let (properties, body) = of(Format::CeleryTask, 7, order.clone());
        let call: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let order: serde_json::Value = serde_json::from_slice(&order).expect("JSON");
        assert_eq!(call[0], serde_json::json!([order]));
        let headers = properties.headers().clone().expect("headers");
        let task = headers.inner().get("task").expect("a task");
        assert_eq!(task, &AMQPValue::LongString("bench.charge".into()));
    }
}
