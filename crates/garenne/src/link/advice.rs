//! Advice for a broker that refuses this service, or ends its connection.

use rustls::CertificateError;

use super::address::BrokerUrl;
use super::error::{Limit, Reason};

/// Advice about the broker's answer to a login.
pub(super) fn of_login(code: u16, reason: &Reason, broker: &BrokerUrl) -> Option<String> {
    let (user, vhost) = (broker.user(), broker.uri().vhost.as_str());
    match reason {
        Reason::Limit(Limit::NodeConnections) => {
            return Some(
                "close connections that nobody needs, or raise `connection_max` in the broker's configuration"
                    .to_owned(),
            );
        }
        Reason::Limit(Limit::UserConnections) => {
            return Some(format!(
                "close connections of user `{user}` that nobody needs, or raise its limit (`rabbitmqctl set_user_limits`)"
            ));
        }
        Reason::Limit(_) => {
            return Some(format!(
                "close connections to vhost `{vhost}` that nobody needs, or raise its limit (`rabbitmqctl set_vhost_limits`)"
            ));
        }
        Reason::VhostDown => {
            return Some(format!(
                "the broker has no vhost `{vhost}` at the moment; its log says why, and `rabbitmqctl restart_vhost` starts it"
            ));
        }
        Reason::VhostMissing => {
            return Some(format!(
                "create vhost `{vhost}` on the broker, or correct the path in the AMQP URL"
            ));
        }
        _ => {}
    }
    match code {
        403 if user == "guest" && !is_local(&broker.uri().authority.host) => Some(
            "check user `guest` and its password in the AMQP URL; by default RabbitMQ lets `guest` in from its own host \
             only: make a user for this service"
                .to_owned(),
        ),
        403 => Some(format!(
            "check user `{user}` and its password in the AMQP URL"
        )),
        530 => Some(format!("grant user `{user}` access to vhost `{vhost}`")),
        _ => None,
    }
}

/// Advice about the broker's reason for closing a channel or a link, where the code alone does not tell it.
pub(super) const fn of_close(reason: &Reason) -> Option<&'static str> {
    match reason {
        Reason::Deleted => Some(
            "somebody deleted the user or the vhost of this service; make it again, or correct the AMQP URL",
        ),
        Reason::Limit(Limit::Queues) => Some(
            "raise the limit (`rabbitmqctl set_vhost_limits`, or `cluster_queue_limit` in its configuration), or delete queues that nobody needs",
        ),
        Reason::Limit(_) => Some(
            "delete or close what nobody needs, or raise that limit on the broker (`rabbitmqctl set_vhost_limits`, \
             `set_user_limits`)",
        ),
        _ => None,
    }
}

/// Advice about the broker's answer to a consumer.
pub(super) fn of_consumer(code: u16, reason: &Reason) -> Option<&'static str> {
    if let Some(advice) = of_close(reason) {
        return Some(advice);
    }
    let advice = match code {
        320 => {
            "the broker stops, or somebody closed the connection there; nothing is to be done here"
        }
        403 if *reason == Reason::ExclusiveUse => {
            "another consumer has the queue for itself (`exclusive`), perhaps one that this service replaces; this service goes on trying until it is gone. \
             If it stays, stop it, or let it consume without `exclusive`"
        }
        403 => "grant this service's user the right to read the queue",
        404 => "it was deleted, or its node is down; this service goes on trying",
        405 => {
            "the queue belongs to another connection (`exclusive`) and goes with it; this service goes on trying. If it stays, declare it without \
             `exclusive`, or consume another one"
        }
        406 if *reason == Reason::DeliveryTimeout => {
            "a handler took longer than the broker's `consumer_timeout`; set the queue's deadline below it, or raise it"
        }
        406 if *reason == Reason::UnknownDelivery => {
            "this is a bug in garenne, or something between the broker and this program alters what is sent"
        }
        501..=505 => {
            "the broker does not understand what it was sent; see its log, and what stands between it and this program"
        }
        506 => "the broker is out of resources; see its log, and the limits of its virtual host",
        540 => "the broker cannot do that with this queue; see its type and its arguments",
        541 => "something failed in the broker; its log says what",
        _ => return None,
    };
    Some(advice)
}

/// Advice about the broker's certificate.
pub(super) fn of_certificate(why: &CertificateError) -> &'static str {
    use CertificateError as Why;
    match why {
        Why::Expired | Why::ExpiredContext { .. } => {
            "it has expired: renew it on the broker, or correct this host's clock"
        }
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            "it is not valid yet: correct this host's clock, or the certificate"
        }
        Why::NotValidForName | Why::NotValidForNameContext { .. } => {
            "it is for another name: write that into the URL as the host, or as `server_name_indication`"
        }
        Why::UnknownIssuer => {
            "name the CA that signed it (`cacertfile` in the URL, or GARENNE_TLS_CA)"
        }
        Why::Revoked => "its CA has revoked it: give the broker a new one",
        _ => {
            "check the CA file (`cacertfile` in the URL, or GARENNE_TLS_CA) and the broker's certificate"
        }
    }
}

fn is_local(host: &str) -> bool {
    let address = host.parse().ok();
    host == "localhost" || address.is_some_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_follows_why_the_broker_does_not_let_in() {
        for (code, said, part) in [
            (
                530,
                "access to vhost 'v' refused for user 'app': connection limit (5) is reached",
                "raise its limit (`rabbitmqctl set_vhost_limits`)",
            ),
            (
                530,
                "connection refused for user 'app': user connection limit (5) is reached",
                "`rabbitmqctl set_user_limits`",
            ),
            (
                530,
                "connection refused: node connection limit (5) is reached",
                "`connection_max`",
            ),
            (
                541,
                "access to vhost 'v' refused for user 'app': vhost 'v' is down",
                "`rabbitmqctl restart_vhost`",
            ),
            (
                530,
                "access to vhost 'v' refused for user 'app'",
                "grant user `app` access to vhost `v`",
            ),
            (530, "vhost v not found", "create vhost `v`"),
            (
                403,
                "Login was refused",
                "check user `app` and its password",
            ),
        ] {
            let broker = BrokerUrl::parse("amqp://app:s3cret@mq/v").unwrap();
            let advice = of_login(code, &Reason::of(code, said), &broker).unwrap();
            assert!(advice.contains(part), "{said}: {advice}");
            let is_limit = said.contains("limit");
            assert_eq!(advice.contains("grant"), part.contains("grant"), "{advice}");
            assert_eq!(is_limit, advice.contains("nobody needs"), "{advice}");
        }
        let guest = |host| of_login(403, &Reason::Plain, &BrokerUrl::parse(host).unwrap()).unwrap();
        assert!(guest("amqp://mq").contains("from its own host only"));
        for host in ["amqp://localhost", "amqp://127.0.0.1", "amqp://[::1]"] {
            assert!(!guest(host).contains("own host"), "{host}");
        }
    }

    #[test]
    fn what_to_do_about_a_certificate_follows_what_is_wrong_with_it() {
        for (why, part) in [
            (CertificateError::Expired, "renew it"),
            (
                CertificateError::NotValidForName,
                "`server_name_indication`",
            ),
            (CertificateError::UnknownIssuer, "name the CA"),
            (CertificateError::BadEncoding, "check the CA file"),
        ] {
            assert!(of_certificate(&why).contains(part), "{why:?}");
        }
    }

    #[test]
    fn a_limit_and_a_deleted_user_are_told_as_what_they_are() {
        let limit = "NOT_ALLOWED - number of channels opened for user 'app' has reached the maximum allowed limit of (1)";
        let of_close = |code, said| of_close(&Reason::of(code, said));
        assert!(of_close(530, limit).unwrap().contains("`set_user_limits`"));
        assert!(
            of_close(320, "CONNECTION_FORCED - user 'app' is deleted")
                .unwrap()
                .contains("make it again")
        );
        assert_eq!(
            of_close(
                320,
                "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
            ),
            None
        );
    }
}
