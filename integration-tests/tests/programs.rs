//! Whole programs, as a user sees them.

use integration_tests::{Client, Program, Signal, Vhost};
use serde_json::Value;

use crate::support::{SOON, consumes, options};

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstart_shows_what_became_of_each_order_and_ends_by_itself() {
    let vhost = Vhost::new().await;
    let ended = Program::named("quickstart")
        .env("AMQP_URL", vhost.url())
        .run(SOON)
        .await;
    let shown = ended.transcript.stdout().join("\n");
    println!("{shown}");
    assert_eq!(ended.code, Some(0), "{}", ended.transcript.tail());
    assert!(shown.contains("quickstart.failed"), "{shown}");
    let client = Client::connect(&vhost.url()).await;
    assert_eq!(client.take_all("quickstart.failed").await.len(), 1);
    vhost.drained("quickstart").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_orders_go_to_a_database_and_are_sent_again_from_it() {
    let database = crate::databases::server().await;
    let database = database.create_database("failed_orders");
    let vhost = Vhost::new().await;
    let ended = Program::named("failed-orders")
        .env("AMQP_URL", vhost.url())
        .env("DATABASE_URL", database)
        .run(SOON)
        .await;
    assert_eq!(ended.code, Some(0), "{}", ended.transcript.tail());
    let shown = ended.transcript.stdout().join("\n");
    let readme = include_str!("../../examples/failed-orders/README.md");
    let expected = readme
        .split("```text\n")
        .nth(1)
        .and_then(|rest| rest.split("\n```").next());
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(&shown), sorted(expected.unwrap_or_default()));
    vhost.drained("failed-orders").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_producer_says_what_its_page_shows() {
    let ended = Program::named("producer").run(SOON).await;
    assert_eq!(ended.code, Some(0), "{}", ended.transcript.tail());
    let page = include_str!("../../examples/producer/README.md");
    let shown = page
        .split("```text\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let said = ended.transcript.stdout().join("\n");
    assert_eq!(said, shown.unwrap_or_default().trim_end());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_json_log_is_a_json_object_with_an_event() {
    let vhost = Vhost::new().await;
    let client = Client::connect(&vhost.url()).await;
    let mut service = options(&vhost, "200ms*1")
        .env("GARENNE_LOG", "json")
        .start();
    consumes(&vhost, &mut service).await;
    client
        .publish_orders(
            "orders",
            [(1, "ok"), (2, "fail"), (3, "panic"), (4, "permanent")],
        )
        .await;
    integration_tests::eventually(SOON, "three are parked", async || {
        match vhost.queue("orders.failed").await?.ready {
            3 => Ok(()),
            n => Err(format!("{n}")),
        }
    })
    .await;
    vhost.node().close_connections(vhost.name()).await;
    service.wait_for_log("link_lost").await;
    service.signal(Signal::TERM);
    assert_eq!(service.exit_code(SOON).await, 0);
    let lines = service.transcript().stderr();
    assert!(lines.len() > 5, "{lines:?}");
    for line in lines {
        let value: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value.get("event").is_some_and(Value::is_string), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_programs_for_queues_shared_with_the_go_package_send_and_tell_what_they_are_given_wrong()
 {
    let vhost = Vhost::new().await;
    let program = Program::named("golang-rabbitmq")
        .env("AMQP_URL", vhost.url())
        .env("EXCHANGE", "shop")
        .env("ROUTING_KEY", "placed");
    let sent = program.clone().args(["send", "one", "two"]).run(SOON).await;
    assert_eq!(sent.code, Some(0), "{}", sent.transcript.tail());
    assert_eq!(sent.transcript.stdout(), ["2 confirmed"]);
    let sent = program.clone().args(["send-delay", "1", "three"]);
    assert_eq!(sent.run(SOON).await.code, Some(0));
    integration_tests::eventually(SOON, "all three are there", async || {
        match vhost.queue("orders").await?.ready {
            3 => Ok(()),
            n => Err(format!("{n}")),
        }
    })
    .await;
    let refused = program.env("EXCHANGE_TYPE", "round").args(["recv"]);
    let refused = refused.run(SOON).await;
    assert_eq!(refused.code, Some(78));
    let told = refused.transcript.stderr().join("\n");
    assert!(told.contains("EXCHANGE_TYPE is `round`"), "{told}");
}
