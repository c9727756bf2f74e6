//! What to do about a broker that does not let this service in, or throws it out.
//!
//! The broker's words are RabbitMQ's, of 3.10 and 4.0. It refuses a connection beyond a limit with the
//! same code, and nearly the same words, as one of a user without rights.

use rustls::CertificateError;

use super::address::BrokerUrl;

/// What to do about the broker's answer to a log-in.
pub(super) fn of_login(code: u16, said: &str, broker: &BrokerUrl) -> Option<String> {
    let (user, vhost) = (broker.user(), broker.uri().vhost.as_str());
    if is_limit(said) {
        return Some(if said.contains("node connection limit") {
            "close connections that nobody needs, or raise `connection_max` in the broker's configuration".to_owned()
        } else if said.contains("user connection limit") {
            format!(
                "close connections of user `{user}` that nobody needs, or raise its limit (`rabbitmqctl set_user_limits`)"
            )
        } else {
            format!(
                "close connections to vhost `{vhost}` that nobody needs, or raise its limit (`rabbitmqctl set_vhost_limits`)"
            )
        });
    }
    if said.contains("is down") {
        return Some(format!(
            "the broker has no vhost `{vhost}` at the moment; its log says why, and `rabbitmqctl restart_vhost` starts it"
        ));
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
        530 if said.contains("not found") => Some(format!(
            "create vhost `{vhost}` on the broker, or correct the path in the AMQP URL"
        )),
        530 => Some(format!("grant user `{user}` access to vhost `{vhost}`")),
        _ => None,
    }
}

/// What to do about the broker's word with which it closes a channel or a link, where the code alone does
/// not tell.
pub(super) fn of_close(code: u16, said: &str) -> Option<&'static str> {
    match code {
        320 if said.contains("deleted") => Some(
            "somebody deleted the user or the vhost of this service; make it again, or correct the AMQP URL",
        ),
        406 | 506 | 530 if is_limit(said) => Some(
            "delete or close what nobody needs, or raise that limit on the broker (`rabbitmqctl set_vhost_limits`, \
             `set_user_limits`)",
        ),
        _ => None,
    }
}

/// What to do about a certificate of the broker's.
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

fn is_limit(said: &str) -> bool {
    said.contains("limit") && said.contains("reached")
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
            let advice = of_login(code, said, &broker).unwrap();
            assert!(advice.contains(part), "{said}: {advice}");
            let is_limit = said.contains("limit");
            assert_eq!(advice.contains("grant"), part.contains("grant"), "{advice}");
            assert_eq!(is_limit, advice.contains("nobody needs"), "{advice}");
        }
        let guest =
            |host| of_login(403, "Login was refused", &BrokerUrl::parse(host).unwrap()).unwrap();
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
