use proptest::prelude::*;

use super::*;

/// A text that stands between the special characters of every password here, and nowhere else.
const MARK: &str = "zq7";

/// Every character with a meaning in a URL, and some with a meaning for a terminal.
fn password() -> impl Strategy<Value = String> {
    let awkward = "@:/?#[]%,; \t\n\\\"'&=+$!*()<>|^{}~`-._é漢\u{1b}\u{202e}"
        .chars()
        .collect::<Vec<_>>();
    let part = prop::sample::select(awkward).prop_map(|c| format!("{c}{MARK}"));
    let first = prop::sample::select(vec!["", MARK, "1", "12", "5672"]);
    (first, prop::collection::vec(part, 1..6))
        .prop_map(|(first, parts)| first.to_owned() + &parts.concat())
}

proptest! {
    #[test]
    fn no_part_that_is_shown_holds_a_password(password in password(), user in "[a-z]{0,3}", tail in "(:5672)?(/v)?") {
        let url = format!("amqp://{user}:{password}@mq.example{tail}");
        match UrlParts::parse(&url) {
            Err(error) => prop_assert!(!error.to_string().contains(MARK)),
            Ok(parts) => {
                prop_assert_eq!(&parts.host, "mq.example");
                prop_assert!(!format!("{parts:?}").contains(MARK), "{parts:?}");
            }
        }
    }

    #[test]
    fn a_password_in_escapes_comes_back_as_it_was(password in "\\PC*", user in "\\PC+") {
        let url = format!("amqp://{}:{}@mq", escaped(&user), escaped(&password));
        let parts = UrlParts::parse(&url).unwrap();
        prop_assert_eq!(parts.user, Some(user));
        prop_assert_eq!(parts.password, Some(password));
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = UrlParts::parse(&text);
        let _ = UrlParts::parse(&format!("amqp://{text}"));
    }
}

#[test]
fn a_url_is_taken_apart() {
    let parts =
        UrlParts::parse("AMQPS://app:s3%40cret@mq-1.example:5671/a%2fb?heartbeat=3&certfile=%2Fx")
            .unwrap();
    assert_eq!(parts.scheme, "amqps");
    assert_eq!(parts.user.as_deref(), Some("app"));
    assert_eq!(parts.password.as_deref(), Some("s3@cret"));
    assert_eq!(
        (parts.host.as_str(), parts.port),
        ("mq-1.example", Some(5671))
    );
    assert_eq!(parts.path.as_deref(), Some("a%2fb"));
    assert_eq!(parts.decoded_path().unwrap(), "a/b");
    let query = [("heartbeat", "3"), ("certfile", "/x")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(parts.query, query);
    assert!(!format!("{parts:?}").contains("s3"));
    let short = UrlParts::parse("amqp://mq").unwrap();
    assert_eq!(
        (short.user, short.password, short.port, short.path),
        (None, None, None, None)
    );
    assert_eq!(
        UrlParts::parse("amqp://mq/").unwrap().path.as_deref(),
        Some("")
    );
    assert_eq!(UrlParts::parse("postgres:///v").unwrap().host, "");
    assert_eq!(
        UrlParts::parse("postgres://%2Frun%2Fpg/v").unwrap().host,
        "/run/pg"
    );
    assert_eq!(UrlParts::parse("amqp://[::1]:5/").unwrap().host, "::1");
}

#[test]
fn what_can_be_meant_in_two_ways_is_refused_and_not_repeated() {
    for url in [
        "amqp://app:/s3cret@h/v",
        "amqp://app:12/s3cret@h",
        "amqp://app:123456",
        "amqp://app:s3cret",
        "amqp://app:s3cret/",
        "amqp://app:s3cret?x@h",
        "amqp://app:12?s3cret@h",
        "amqp://app:s3cret#x@h",
        "amqp://app:s3cret,x@h",
        "amqp://app:s3cret%zz@h",
        "amqp://app:s3cret%@h",
        "amqp://app:s3 cret@h",
        "amqp://app:s3\ncret@h",
        "amqp://h1;amqp://app:s3cret@h2",
        "amqp://h1/v;amqp://app:s3cret@h2",
        "amqp://app:s3cret@h:",
        "amqp://app:s3cret@h:0",
        "amqp://app:s3cret@h:+5",
        "amqp://app:s3cret@[::1]x",
        "amqp://app:s3cret@[::s3cret]",
        "amqp://app:s3cret@$HOST",
        "app:s3cret@h",
        "s3cret",
        "a s3cret://h",
    ] {
        let error = UrlParts::parse(url).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("s3"),
            "{url}: {error}"
        );
    }
}
