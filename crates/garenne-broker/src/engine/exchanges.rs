//! Exchanges and bindings: declare, delete, bind, unbind.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, exchange as method, queue};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::exchange::{Binding, Destination, Exchange, ExchangeKind};
use super::queue::resource;
use super::values::{assert_same, inequivalent, type_name};
use super::{ChannelKey, Engine, Name, Outcome};
use crate::exception::{Exception, access_refused, not_found, precondition_failed};

impl Engine {
    pub(super) fn on_exchange_declare(
        &mut self,
        key: ChannelKey,
        declare: method::Declare,
    ) -> Outcome {
        let vhost = self.vhost_of(key.0);
        let name = declare.exchange.as_str().replace(['\r', '\n'], "");
        let nowait = declare.nowait;
        if declare.passive {
            check_not_default(&name)?;
            self.existing_exchange(&vhost, &name)?;
        } else {
            let kind = ExchangeKind::parse(declare.kind.as_str())?;
            check_not_default(&name)?;
            match self.existing_exchange(&vhost, &name) {
                Ok(existing) => assert_redeclared(&vhost, existing, kind, &declare)?,
                Err(_) => self.create_exchange(&vhost, &name, kind, declare)?,
            }
        }
        let ok = method::AMQPMethod::DeclareOk(method::DeclareOk {});
        self.reply(key, nowait, AMQPClass::Exchange(ok));
        Ok(())
    }

    fn create_exchange(
        &mut self,
        vhost: &str,
        name: &str,
        kind: ExchangeKind,
        declare: method::Declare,
    ) -> Outcome {
        if name.starts_with("amq.") {
            return Err(access_refused(format!(
                "exchange name '{name}' contains reserved prefix 'amq.*'"
            )));
        }
        match declare.arguments.inner().get("alternate-exchange") {
            None | Some(AMQPValue::LongString(_)) => {}
            Some(other) => {
                return Err(precondition_failed(format!(
                    "invalid type '{}' for arg 'alternate-exchange' in {}",
                    type_name(other),
                    resource("exchange", name, vhost)
                )));
            }
        }
        let name = Name::from(name);
        let mut exchange = Exchange::new(Arc::clone(&name), kind, declare.durable);
        exchange.auto_delete = declare.auto_delete;
        exchange.internal = declare.internal;
        exchange.arguments = declare.arguments;
        if let Some(vhost) = self.vhosts.get_mut(vhost) {
            vhost.exchanges.insert(name, exchange);
        }
        Ok(())
    }

    pub(super) fn on_exchange_delete(
        &mut self,
        key: ChannelKey,
        delete: &method::Delete,
    ) -> Outcome {
        let vhost = self.vhost_of(key.0);
        let name = delete.exchange.as_str().replace(['\r', '\n'], "");
        check_not_default(&name)?;
        let resource = resource("exchange", &name, &vhost);
        if name.starts_with("amq.") {
            return Err(access_refused(format!(
                "deletion of system {resource} not allowed"
            )));
        }
        if let Ok(exchange) = self.existing_exchange(&vhost, &name) {
            if delete.if_unused && exchange.is_bound() {
                return Err(precondition_failed(format!("{resource} in use")));
            }
            self.delete_exchange(&vhost, &name);
        }
        let ok = method::AMQPMethod::DeleteOk(method::DeleteOk {});
        self.reply(key, delete.nowait, AMQPClass::Exchange(ok));
        Ok(())
    }

    fn delete_exchange(&mut self, vhost: &str, name: &str) {
        let removed = self
            .vhosts
            .get_mut(vhost)
            .and_then(|vhost| vhost.exchanges.remove(name));
        if let Some(exchange) = removed {
            self.unbind_everywhere(vhost, &Destination::Exchange(exchange.name));
        }
    }

    pub(super) fn on_queue_bind(&mut self, key: ChannelKey, bind: queue::Bind) -> Outcome {
        let nowait = bind.nowait;
        let (name, routing_key) =
            self.expand(key, bind.queue.as_str(), bind.routing_key.as_str())?;
        let vhost = self.vhost_of(key.0);
        let source = bind.exchange.as_str();
        check_not_default(source)?;
        self.existing_exchange(&vhost, source)?;
        let queue = self.existing_queue(&vhost, &name)?;
        self.check_exclusive(key.0, queue)?;
        let (destination, durable) = (Destination::Queue(queue.id), queue.durable);
        self.bind(
            &vhost,
            source,
            &routing_key,
            destination,
            bind.arguments,
            durable,
        )?;
        self.reply(
            key,
            nowait,
            AMQPClass::Queue(queue::AMQPMethod::BindOk(queue::BindOk {})),
        );
        Ok(())
    }

    pub(super) fn on_queue_unbind(&mut self, key: ChannelKey, unbind: &queue::Unbind) -> Outcome {
        let (name, routing_key) =
            self.expand(key, unbind.queue.as_str(), unbind.routing_key.as_str())?;
        let vhost = self.vhost_of(key.0);
        let source = unbind.exchange.as_str();
        check_not_default(source)?;
        // What is not there needs no unbinding, nor the right to do it.
        if let Some(queue) = self.queue_named(&vhost, &name)
            && let destination = Destination::Queue(queue.id)
            && let Ok(exchange) = self.existing_exchange(&vhost, source)
            && exchange.has(&routing_key, &destination, &unbind.arguments)
        {
            self.check_exclusive(key.0, queue)?;
            let arguments = &unbind.arguments;
            self.unbind(&vhost, source, &routing_key, &destination, arguments);
        }
        let ok = queue::AMQPMethod::UnbindOk(queue::UnbindOk {});
        self.send_method(key, AMQPClass::Queue(ok));
        Ok(())
    }

    pub(super) fn on_exchange_bind(&mut self, key: ChannelKey, bind: method::Bind) -> Outcome {
        let vhost = self.vhost_of(key.0);
        let (source, target) = (bind.source.as_str(), bind.destination.as_str());
        check_not_default(target)?;
        check_not_default(source)?;
        self.existing_exchange(&vhost, source)?;
        let target = self.existing_exchange(&vhost, target)?;
        let (name, durable) = (Arc::clone(&target.name), target.durable);
        let destination = Destination::Exchange(name);
        let routing_key = bind.routing_key.as_str();
        self.bind(
            &vhost,
            source,
            routing_key,
            destination,
            bind.arguments,
            durable,
        )?;
        let ok = method::AMQPMethod::BindOk(method::BindOk {});
        self.reply(key, bind.nowait, AMQPClass::Exchange(ok));
        Ok(())
    }

    pub(super) fn on_exchange_unbind(
        &mut self,
        key: ChannelKey,
        unbind: &method::Unbind,
    ) -> Outcome {
        let vhost = self.vhost_of(key.0);
        let (source, target) = (unbind.source.as_str(), unbind.destination.as_str());
        check_not_default(target)?;
        check_not_default(source)?;
        let destination = Destination::Exchange(Name::from(target));
        let routing_key = unbind.routing_key.as_str();
        self.unbind(&vhost, source, routing_key, &destination, &unbind.arguments);
        let ok = method::AMQPMethod::UnbindOk(method::UnbindOk {});
        self.reply(key, unbind.nowait, AMQPClass::Exchange(ok));
        Ok(())
    }

    fn bind(
        &mut self,
        vhost: &str,
        source: &str,
        routing_key: &str,
        destination: Destination,
        arguments: FieldTable,
        durable: bool,
    ) -> Outcome {
        let Some(exchange) = self.exchange_mut(vhost, source) else {
            return Ok(());
        };
        exchange.validate(&arguments)?;
        let durable = durable && exchange.durable;
        exchange.bind(
            Name::from(routing_key),
            Binding {
                destination,
                arguments,
                durable,
            },
        );
        Ok(())
    }

    fn unbind(
        &mut self,
        vhost: &str,
        source: &str,
        routing_key: &str,
        destination: &Destination,
        arguments: &FieldTable,
    ) {
        let Some(exchange) = self.exchange_mut(vhost, source) else {
            return;
        };
        let unbound = exchange.unbind(routing_key, destination, arguments);
        if unbound && exchange.auto_delete && !exchange.is_bound() {
            self.delete_exchange(vhost, source);
        }
    }

    /// Removes every binding that leads to a thing that is gone; exchanges that lose their last
    /// one may go as well, and so on.
    pub(super) fn unbind_everywhere(&mut self, vhost: &str, destination: &Destination) {
        let mut gone = vec![destination.clone()];
        let Some(vhost) = self.vhosts.get_mut(vhost) else {
            return;
        };
        while let Some(destination) = gone.pop() {
            vhost.exchanges.retain(|name, exchange| {
                let unbound = exchange.retain(|binding| binding.destination != destination);
                let orphan = unbound && exchange.auto_delete && !exchange.is_bound();
                if orphan {
                    gone.push(Destination::Exchange(Arc::clone(name)));
                }
                !orphan
            });
        }
    }

    /// An empty queue name is the last declared one, and with it an empty routing key too.
    fn expand(
        &self,
        key: ChannelKey,
        queue: &str,
        routing_key: &str,
    ) -> Result<(Name, Name), Exception> {
        if !queue.is_empty() {
            return Ok((
                Name::from(queue.replace(['\r', '\n'], "")),
                Name::from(routing_key),
            ));
        }
        let name = self.last_queue(key)?;
        let routing_key = match routing_key {
            "" => Arc::clone(&name),
            routing_key => Name::from(routing_key),
        };
        Ok((name, routing_key))
    }

    pub(super) fn existing_exchange(
        &self,
        vhost: &str,
        name: &str,
    ) -> Result<&Exchange, Exception> {
        let exchange = self
            .vhosts
            .get(vhost)
            .and_then(|vhost| vhost.exchanges.get(name));
        exchange.ok_or_else(|| not_found(format!("no {}", resource("exchange", name, vhost))))
    }
}

fn assert_redeclared(
    vhost: &str,
    existing: &Exchange,
    kind: ExchangeKind,
    declare: &method::Declare,
) -> Outcome {
    let resource = resource("exchange", &existing.name, vhost);
    let flag = |value: bool| value.to_string();
    for (key, received, current) in [
        (
            "type",
            kind.name().to_owned(),
            existing.kind.name().to_owned(),
        ),
        ("durable", flag(declare.durable), flag(existing.durable)),
        (
            "auto_delete",
            flag(declare.auto_delete),
            flag(existing.auto_delete),
        ),
        ("internal", flag(declare.internal), flag(existing.internal)),
    ] {
        if received != current {
            let (received, current) = (format!("'{received}'"), format!("'{current}'"));
            return Err(inequivalent(key, &resource, &received, &current));
        }
    }
    assert_same(
        &resource,
        "alternate-exchange",
        &existing.arguments,
        &declare.arguments,
    )
}

fn check_not_default(name: &str) -> Outcome {
    match name {
        "" => Err(access_refused(
            "operation not permitted on the default exchange",
        )),
        _ => Ok(()),
    }
}
