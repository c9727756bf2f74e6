//! The methods that cases send, in as few words as possible.

use amq_protocol::frame::WriteContext;
use amq_protocol::protocol::{
    AMQPClass, access, basic, channel, confirm, connection, exchange, gen_class, queue, tx,
};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::wire::table;

pub(crate) fn start_ok(mechanism: &str, response: &str) -> AMQPClass {
    start_ok_with(
        mechanism,
        response,
        &["authentication_failure_close", "consumer_cancel_notify"],
    )
}

/// Logs in as a client that can do only what is listed.
pub(crate) fn start_ok_with(mechanism: &str, response: &str, can: &[&str]) -> AMQPClass {
    let mut capabilities = FieldTable::default();
    for capability in can {
        capabilities.insert((*capability).into(), AMQPValue::Boolean(true));
    }
    let client_properties = table(&[("capabilities", AMQPValue::FieldTable(capabilities))]);
    AMQPClass::Connection(connection::AMQPMethod::StartOk(connection::StartOk {
        client_properties,
        mechanism: mechanism.into(),
        response: response.into(),
        locale: "en_US".into(),
    }))
}

/// How many bytes a method is in its frame.
pub(crate) fn size_of(method: &AMQPClass) -> usize {
    let written = gen_class(method)(WriteContext::from(Vec::new()));
    let (payload, _) = written.expect("what the case sets up").into_inner();
    payload.len()
}

pub(crate) fn tune_ok(tune: connection::TuneOk) -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::TuneOk(tune))
}

pub(crate) fn open_vhost(vhost: &str) -> AMQPClass {
    let open = connection::Open {
        virtual_host: vhost.into(),
    };
    AMQPClass::Connection(connection::AMQPMethod::Open(open))
}

pub(crate) fn close_connection() -> AMQPClass {
    let close = connection::Close {
        reply_code: 200,
        ..Default::default()
    };
    AMQPClass::Connection(connection::AMQPMethod::Close(close))
}

pub(crate) fn close_connection_ok() -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}))
}

pub(crate) fn update_secret(secret: &str) -> AMQPClass {
    let update = connection::UpdateSecret {
        new_secret: secret.into(),
        reason: "because".into(),
    };
    AMQPClass::Connection(connection::AMQPMethod::UpdateSecret(update))
}

pub(crate) fn open_channel() -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}))
}

pub(crate) fn close_channel() -> AMQPClass {
    let close = channel::Close {
        reply_code: 200,
        ..Default::default()
    };
    AMQPClass::Channel(channel::AMQPMethod::Close(close))
}

pub(crate) fn close_channel_ok() -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}))
}

pub(crate) fn flow(active: bool) -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::Flow(channel::Flow { active }))
}

pub(crate) fn access() -> AMQPClass {
    let request = access::Request {
        realm: "/data".into(),
        active: true,
        ..Default::default()
    };
    AMQPClass::Access(access::AMQPMethod::Request(request))
}

pub(crate) fn confirm() -> AMQPClass {
    AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select {
        nowait: false,
    }))
}

pub(crate) fn tx_select() -> AMQPClass {
    AMQPClass::Tx(tx::AMQPMethod::Select(tx::Select {}))
}

pub(crate) fn tx_commit() -> AMQPClass {
    AMQPClass::Tx(tx::AMQPMethod::Commit(tx::Commit {}))
}

pub(crate) fn tx_rollback() -> AMQPClass {
    AMQPClass::Tx(tx::AMQPMethod::Rollback(tx::Rollback {}))
}

/// A durable queue.
pub(crate) fn declare(queue: &str, arguments: &[(&str, AMQPValue)]) -> AMQPClass {
    declare_as(queue::Declare {
        queue: queue.into(),
        durable: true,
        arguments: table(arguments),
        ..Default::default()
    })
}

pub(crate) fn declare_as(declare: queue::Declare) -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::Declare(declare))
}

pub(crate) fn passive(queue: &str) -> AMQPClass {
    declare_as(queue::Declare {
        queue: queue.into(),
        passive: true,
        ..Default::default()
    })
}

pub(crate) fn exclusive(queue: &str) -> AMQPClass {
    declare_as(queue::Declare {
        queue: queue.into(),
        exclusive: true,
        ..Default::default()
    })
}

pub(crate) fn bind(queue: &str, exchange: &str, key: &str) -> AMQPClass {
    bind_with(queue, exchange, key, &[])
}

pub(crate) fn bind_with(
    queue: &str,
    exchange: &str,
    key: &str,
    arguments: &[(&str, AMQPValue)],
) -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::Bind(queue::Bind {
        queue: queue.into(),
        exchange: exchange.into(),
        routing_key: key.into(),
        nowait: false,
        arguments: table(arguments),
    }))
}

pub(crate) fn unbind(queue: &str, exchange: &str, key: &str) -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::Unbind(queue::Unbind {
        queue: queue.into(),
        exchange: exchange.into(),
        routing_key: key.into(),
        ..Default::default()
    }))
}

pub(crate) fn purge(queue: &str) -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::Purge(queue::Purge {
        queue: queue.into(),
        nowait: false,
    }))
}

pub(crate) fn delete(queue: &str) -> AMQPClass {
    delete_if(queue, false, false)
}

pub(crate) fn delete_if(queue: &str, if_unused: bool, if_empty: bool) -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::Delete(queue::Delete {
        queue: queue.into(),
        if_unused,
        if_empty,
        nowait: false,
    }))
}

/// A durable exchange.
pub(crate) fn exchange(name: &str, kind: &str, arguments: &[(&str, AMQPValue)]) -> AMQPClass {
    exchange_as(exchange::Declare {
        exchange: name.into(),
        kind: kind.into(),
        durable: true,
        arguments: table(arguments),
        ..Default::default()
    })
}

pub(crate) fn exchange_as(declare: exchange::Declare) -> AMQPClass {
    AMQPClass::Exchange(exchange::AMQPMethod::Declare(declare))
}

pub(crate) fn exchange_delete(name: &str, if_unused: bool) -> AMQPClass {
    let delete = exchange::Delete {
        exchange: name.into(),
        if_unused,
        nowait: false,
    };
    AMQPClass::Exchange(exchange::AMQPMethod::Delete(delete))
}

pub(crate) fn exchange_bind(destination: &str, source: &str, key: &str) -> AMQPClass {
    AMQPClass::Exchange(exchange::AMQPMethod::Bind(exchange::Bind {
        destination: destination.into(),
        source: source.into(),
        routing_key: key.into(),
        ..Default::default()
    }))
}

pub(crate) fn exchange_unbind(destination: &str, source: &str, key: &str) -> AMQPClass {
    AMQPClass::Exchange(exchange::AMQPMethod::Unbind(exchange::Unbind {
        destination: destination.into(),
        source: source.into(),
        routing_key: key.into(),
        ..Default::default()
    }))
}

pub(crate) fn qos(prefetch_count: u16, global: bool) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Qos(basic::Qos {
        prefetch_count,
        global,
    }))
}

pub(crate) fn consume(queue: &str, tag: &str) -> AMQPClass {
    consume_as(basic::Consume {
        queue: queue.into(),
        consumer_tag: tag.into(),
        ..Default::default()
    })
}

pub(crate) fn consume_as(consume: basic::Consume) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Consume(consume))
}

pub(crate) fn cancel(tag: &str) -> AMQPClass {
    let cancel = basic::Cancel {
        consumer_tag: tag.into(),
        nowait: false,
    };
    AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel))
}

pub(crate) fn get(queue: &str) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Get(basic::Get {
        queue: queue.into(),
        no_ack: false,
    }))
}

pub(crate) fn ack(delivery_tag: u64, multiple: bool) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Ack(basic::Ack {
        delivery_tag,
        multiple,
    }))
}

pub(crate) fn nack(delivery_tag: u64, multiple: bool, requeue: bool) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Nack(basic::Nack {
        delivery_tag,
        multiple,
        requeue,
    }))
}

pub(crate) fn reject(delivery_tag: u64, requeue: bool) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Reject(basic::Reject {
        delivery_tag,
        requeue,
    }))
}

pub(crate) fn recover(requeue: bool) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Recover(basic::Recover { requeue }))
}

/// The method of a publish; its content is sent by [`Wire::publish`](super::wire::Wire::publish).
pub(crate) fn to(exchange: &str, key: &str) -> basic::Publish {
    basic::Publish {
        exchange: exchange.into(),
        routing_key: key.into(),
        mandatory: false,
        immediate: false,
    }
}

pub(crate) fn mandatory(exchange: &str, key: &str) -> basic::Publish {
    basic::Publish {
        mandatory: true,
        ..to(exchange, key)
    }
}
