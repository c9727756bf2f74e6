//! Which failed messages are meant, and how they are put together.

use std::time::Duration;

use garenne_core::failed::{Condition, FailureGroups, GroupBy, Verdict, error_kind};
use garenne_core::{FailReason, FailedMessage, FailedQuery, Headers, Value, header};
use proptest::prelude::*;

use crate::samples::{at_millis, failed};

fn holds(condition: &str, failed: &FailedMessage) -> bool {
    condition.parse::<Condition>().unwrap().holds(failed)
}

#[test]
fn a_condition_looks_at_what_it_names() {
    let mut failed = failed();
    failed.properties.kind = Some("order.placed".into());
    failed.properties.headers.extend([
        ("retries".to_owned(), Value::I16(-3)),
        ("price".to_owned(), Value::Decimal { scale: 2, value: 5 }),
        (
            "geo".to_owned(),
            Headers::from([("country".into(), "fr".into())]).into(),
        ),
        ("a.b".to_owned(), "flat".into()),
    ]);
    for condition in [
        "id=m-1",
        "queue=orders",
        "exchange=shop",
        "routing-key~placed",
        "reason=exhausted",
        "reason!=panic",
        "error~DECLINED",
        "error~http 402",
        "error!~timeout",
        "attempts>=4",
        "attempts > 3",
        "attempts<5",
        "attempts<=4",
        "host=till-3",
        "service!=other",
        "type=order.placed",
        "content-type!=text/plain",
        "body~order_id",
        "header.tenant=acme",
        "header.retries=-3",
        "header.retries<0",
        "header.price=0.05",
        "header.geo.country=fr",
        "header.a.b=flat",
        "header.absent!=x",
        "header.absent!~x",
    ] {
        assert!(holds(condition, &failed), "{condition}");
    }
    for condition in [
        "id=m-2",
        "error~timeout",
        "attempts>4",
        "header.absent=",
        "header.tenant!=acme",
        "header.tenant<3",
        "app-id~a",
        "correlation-id=",
    ] {
        assert!(!holds(condition, &failed), "{condition}");
    }
}

#[test]
fn a_text_that_is_no_condition_is_told_what_one_is() {
    for wrong in [
        "",
        "timeout",
        "=x",
        "mood=bad",
        "header.=x",
        "attempts>many",
        "error!timeout",
    ] {
        let error = wrong.parse::<Condition>().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("`{wrong}` is not a condition"))
                && error.contains("header.NAME"),
            "{error}"
        );
    }
}

#[test]
fn a_value_may_hold_the_signs_of_tests() {
    let condition: Condition = "header.q=a=b~c".parse().unwrap();
    assert_eq!(condition.value, "a=b~c");
    assert_eq!(condition.to_string(), "header.q=a=b~c");
}

#[test]
fn a_query_means_what_fulfils_all_of_it() {
    let failed = failed();
    let at = at_millis(1_790_000_060_456);
    let all = FailedQuery::all()
        .id("other")
        .id("m-1")
        .queue("orders")
        .reason(FailReason::Panic)
        .reason(FailReason::Exhausted)
        .since(at)
        .condition("error~card".parse().unwrap());
    assert!(all.matches(&failed));
    for narrower in [
        FailedQuery::all().id("other"),
        FailedQuery::all().queue("invoices"),
        FailedQuery::all().reason(FailReason::Panic),
        FailedQuery::all().since(at_millis(1_790_000_060_457)),
        all.condition("host=nobody".parse().unwrap()),
    ] {
        assert!(!narrower.matches(&failed), "{narrower:?}");
    }
}

#[test]
fn errors_that_differ_in_numbers_only_are_one_sort() {
    for (a, b) in [
        ("order 17 is unknown", "order 18 is unknown"),
        (
            "no answer from 10.0.0.3:5432 after 1500ms",
            "no answer from 10.0.0.9:5432 after 20ms",
        ),
        (
            "item 0190a2f4-77aa-7bbb-8ccc-123456789abc is gone\nbacktrace 1",
            "item 0190a2f4-77aa-7bbb-8ccc-cba987654321 is gone",
        ),
    ] {
        assert_eq!(error_kind(a), error_kind(b));
        assert!(error_kind(a).contains('#'), "{}", error_kind(a));
    }
    assert_ne!(error_kind("card declined"), error_kind("card expired"));
}

#[test]
fn groups_count_everything_and_come_largest_first() {
    let mut groups = FailureGroups::new(GroupBy::Error);
    for number in 0..30_u64 {
        let mut failed = failed();
        failed.message_id = format!("m-{number}");
        failed.last_failed_at = at_millis(1000 + number);
        failed.error = match number % 3 {
            0 => "card declined".to_owned(),
            _ => format!("timeout after {number} ms"),
        };
        groups.add(&failed);
    }
    let groups = groups.largest_first();
    let told: Vec<_> = groups
        .iter()
        .map(|group| (group.name.as_str(), group.count, group.newest_id.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("timeout after # ms", 20, "m-29"),
            ("card declined", 10, "m-27")
        ]
    );
    assert_eq!(groups[0].oldest, at_millis(1001));
}

#[test]
fn groups_without_end_take_no_memory_without_end() {
    let mut groups = FailureGroups::new(GroupBy::Queue);
    for number in 0..12_000_u64 {
        let mut failed = failed();
        failed.queue = format!("q-{number}");
        groups.add(&failed);
    }
    let groups = groups.largest_first();
    assert_eq!(groups.len(), 10_001);
    assert_eq!(
        (groups[0].name.as_str(), groups[0].count),
        ("(others)", 2_000)
    );
}

proptest! {
    #[test]
    fn a_condition_is_read_as_it_is_written(name in "[a-z.]{1,9}", sign in "=|!=|~|!~", value in "[^ \\t]{0,9}") {
        let written = format!("header.{name}{sign}{value}");
        if let Ok(condition) = written.parse::<Condition>() {
            prop_assert_eq!(condition.to_string().parse(), Ok(condition));
        }
    }

    #[test]
    fn no_error_is_too_strange_to_have_a_kind(error in ".{0,400}") {
        prop_assert!(error_kind(&error).chars().count() <= 160);
    }
}

#[test]
fn what_is_in_doubt_is_told_of_whatever_the_query_is() {
    let clear = failed();
    let mut doubtful = failed();
    let doubt = Value::from("it names another queue");
    doubtful
        .properties
        .headers
        .insert(header::FAIL_DOUBT.into(), doubt);
    let unknown = FailedMessage {
        reason: FailReason::Unknown,
        ..failed()
    };
    let all = FailedQuery::all();
    let none = FailedQuery::all().id("another");
    for record in [&clear, &doubtful, &unknown] {
        assert_eq!(all.judge(record), Verdict::Meant);
    }
    assert_eq!(none.judge(&clear), Verdict::NotMeant);
    assert_eq!(none.judge(&doubtful), Verdict::Unclear);
    assert_eq!(none.judge(&unknown), Verdict::Unclear);
    let all = all.without_doubtful();
    assert_eq!(all.judge(&clear), Verdict::Meant);
    assert_eq!(all.judge(&doubtful), Verdict::Withheld);
    assert_eq!(all.judge(&unknown), Verdict::Meant);
    assert_eq!(none.without_doubtful().judge(&doubtful), Verdict::Unclear);
    assert!(holds("doubt~", &doubtful) && holds("doubt~ANOTHER", &doubtful));
    assert!(!holds("doubt~", &clear) && holds("doubt!~", &clear) && !holds("doubt!~", &doubtful));
}

#[test]
fn what_the_broker_has_parked_is_told_of_where_only_its_time_leaves_it_out() {
    let expired = FailedMessage {
        reason: FailReason::Expired,
        ..failed()
    };
    let later = expired.last_failed_at + Duration::from_secs(1);
    let since = FailedQuery::all().since(later);
    assert_eq!(since.judge(&expired), Verdict::Unclear);
    assert_eq!(since.judge(&failed()), Verdict::NotMeant);
    let other = since.id("another");
    assert_eq!(other.judge(&expired), Verdict::NotMeant);
}
