use proptest::prelude::*;

use super::*;

fn uri(url: &str) -> AMQPUri {
    BrokerUrl::parse(url).unwrap().uri().clone()
}

fn fault(url: &str) -> String {
    BrokerUrl::parse(url).unwrap_err().to_string()
}

#[test]
fn an_empty_path_is_the_default_virtual_host() {
    for url in [
        "amqp://mq",
        "amqp://mq/",
        "amqp://mq//",
        "amqp://mq/%2f",
        "amqp://mq:5672",
        "amqp://mq:5672/",
        "amqp://mq:5672/%2F",
        "amqp://mq:5672/?heartbeat=10",
    ] {
        assert_eq!(uri(url), uri("amqp://mq:5672/%2f"), "{url}");
        assert_eq!(
            BrokerUrl::parse(url).unwrap().to_string(),
            "amqp://mq:5672/%2f"
        );
    }
    assert_eq!(uri("amqp://mq/orders").vhost, "orders");
    assert_eq!(uri("amqp://mq/%2forders").vhost, "/orders");
}

#[test]
fn what_is_shown_of_an_address_can_be_copied() {
    for vhost in [
        "/",
        "orders",
        "a/b",
        "a b",
        "100%",
        "caf\u{e9}",
        "a@b",
        "%2f",
    ] {
        let url = format!("amqp://app:s3cret@mq:5673/{}", escaped(vhost));
        let shown = BrokerUrl::parse(&url).unwrap().to_string();
        assert_eq!(uri(&shown).vhost, vhost, "{shown}");
        assert!(!shown.contains("app"), "{shown}");
    }
}

#[test]
fn a_heartbeat_is_asked_for_unless_the_url_says_another() {
    assert_eq!(uri("amqp://mq").query.heartbeat, Some(10));
    assert_eq!(uri("amqp://mq?heartbeat=3").query.heartbeat, Some(3));
}

#[test]
fn an_ipv6_host_is_dialled_as_given() {
    let url = BrokerUrl::parse("amqp://[::1]:5673/").unwrap();
    assert_eq!(url.uri().authority.host, "::1");
    assert_eq!(url.to_string(), "amqp://[::1]:5673/%2f");
}

#[test]
fn every_parameter_is_understood_or_refused() {
    let url = "amqps://mq?connection_timeout=30000&channel_max=8&frame_max=131072&auth_mechanism=EXTERNAL\
               &cacertfile=%2Fca.pem&certfile=/cert.pem&keyfile=/key.pem&verify=verify_peer\
               &server_name_indication=mq.example";
    let read = BrokerUrl::parse(url).unwrap();
    assert_eq!(read.connect_timeout(), Duration::from_secs(30));
    assert_eq!(read.uri().query.channel_max, Some(8));
    assert_eq!(read.tls_files().ca.as_deref(), Some("/ca.pem".as_ref()));
    assert_eq!(read.tls_files().server_name.as_deref(), Some("mq.example"));
    for (url, part) in [
        (
            "amqp://mq?hearbeat=3",
            "parameter 1 of its query is not known",
        ),
        (
            "amqp://mq?heartbeat=3&x",
            "parameter 2 of its query is not known",
        ),
        ("amqp://mq?heartbeat=3&heartbeat=4", "twice"),
        (
            "amqp://mq?heartbeat=3s",
            "`heartbeat` is a number of seconds",
        ),
        (
            "amqp://mq?heartbeat=-1",
            "`heartbeat` is a number of seconds",
        ),
        ("amqp://mq?connection_timeout=0", "from 1 to 60000"),
        ("amqp://mq?frame_max=100", "from 4096"),
        ("amqp://mq?channelMax=8", "write `channel_max`"),
        ("amqp://mq?blocked_connection_timeout=3", "leave it out"),
        ("amqp://mq?auth_mechanism=external", "`amqps://`"),
        ("amqps://mq?auth_mechanism=magic", "`plain`"),
        ("amqps://mq?verify=verify_none", "`cacertfile`"),
        ("amqps://mq?keyfile=/key.pem", "`keyfile` needs `certfile`"),
        (
            "amqps://mq?keyfile=MIIEs3cret&certfile=/c",
            "the path of a PEM file",
        ),
        (
            "amqps://mq?server_name_indication=disable%20",
            "the name in the broker's certificate",
        ),
    ] {
        let fault = fault(url);
        assert!(fault.contains(part), "{url}: {fault}");
        assert!(!fault.contains("s3cret"), "{fault}");
    }
}

#[test]
fn files_for_tls_on_a_plain_address_are_a_fault() {
    for name in [
        "cacertfile",
        "certfile",
        "keyfile",
        "verify",
        "server_name_indication",
    ] {
        let fault = fault(&format!("amqp://mq?{name}=x"));
        assert!(
            fault.contains(&format!("`{name}` needs `amqps://`")),
            "{fault}"
        );
    }
    let brokers = |list: &str| BrokerUrl::parse_list("AMQP_URL", list).0;
    let tls = Tls::new().ca_file("/ca.pem");
    let fault = plain_text_faults(&brokers("amqps://mq-1,amqp://app:s3cret@mq-2"), &tls);
    let fault = fault.unwrap().to_string();
    assert!(
        fault.contains("amqp://mq-2:5672/%2f") && fault.contains("GARENNE_TLS_CA"),
        "{fault}"
    );
    assert_eq!(plain_text_faults(&brokers("amqps://mq"), &tls), None);
    assert_eq!(plain_text_faults(&brokers("amqp://mq"), &Tls::new()), None);
}

#[test]
fn a_fault_in_a_list_says_which_address_it_is() {
    let list = " amqp://mq-1 , amqp://app:s3,cret@mq-2, AMQP://mq-3 ,";
    let (brokers, faults) = BrokerUrl::parse_list("AMQP_URL", list);
    assert_eq!(brokers.len(), 2);
    assert_eq!(faults.len(), 1);
    let fault = faults[0].to_string();
    assert!(
        fault.starts_with("AMQP_URL, address 2 of 3 (not shown"),
        "{fault}"
    );
    assert!(fault.contains("`%2C`") && !fault.contains("s3"), "{fault}");
}

/// A mark between the awkward characters of every password here, and nowhere else.
const MARK: &str = "zq7";

/// A password with every character that has a meaning in a URL.
fn password() -> impl Strategy<Value = String> {
    let awkward: Vec<char> = "@:/?#[]%,; \t\n\\\"'&=+$!*()<>|^{}~`-._\u{e9}\u{1b}\u{202e}"
        .chars()
        .collect();
    let part = prop::sample::select(awkward).prop_map(|c| format!("{c}{MARK}"));
    let first = prop::sample::select(vec!["", MARK, "1", "12", "5672"]);
    let parts = prop::collection::vec(part, 1..6);
    (first, parts).prop_map(|(first, parts)| first.to_owned() + &parts.concat())
}

proptest! {
    #[test]
    fn a_password_is_in_no_text_however_it_was_written(
        password in password(),
        scheme in prop::sample::select(vec!["amqp://", "amqps://", "http://", "amqp:/", ""]),
        before in prop::sample::select(vec!["", "amqp://mq-0,", "amqp://mq-0;", "amqp://mq-0 "]),
        behind in prop::sample::select(vec!["@mq", "@mq:5672/v", "@mq:x", "@mq?heartbeat=x", "@", "@mq,amqp://mq-2"]),
    ) {
        let list = format!("{before}{scheme}app:{password}{behind}");
        let (brokers, faults) = BrokerUrl::parse_list("AMQP_URL", &list);
        let one = BrokerUrl::parse(&list);
        let text = format!("{brokers:?} {faults:?} {one:?}");
        prop_assert!(!text.contains(MARK), "{text}");
        for broker in &brokers {
            prop_assert!(!broker.to_string().contains(MARK), "{broker}");
        }
        for fault in &faults {
            prop_assert!(!fault.to_string().contains(MARK), "{fault}");
        }
    }

    #[test]
    fn a_password_without_the_host_is_in_no_text(first in "[a-z]{0,3}", word in "[/?#;%a-z]{0,8}", sign in "[:/?#;%,]") {
        let url = format!("amqp://app:{first}{sign}{MARK}{word}");
        let (brokers, faults) = BrokerUrl::parse_list("AMQP_URL", &url);
        prop_assert!(brokers.is_empty(), "{brokers:?}");
        let text = format!("{faults:?}");
        prop_assert!(!text.contains(MARK), "{text}");
    }
}
