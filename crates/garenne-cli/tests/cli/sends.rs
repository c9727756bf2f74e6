//! `garenne send`.

use lapin::types::{AMQPValue, ShortString};

use crate::support::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_sent_as_the_arguments_say() {
    let stage = Stage::new().await;
    let send = [
        "send",
        "-q",
        "orders",
        "hello",
        "-H",
        "tenant=eu",
        "-H",
        "n:=3",
        "--message-id",
        "m-1",
        "--content-type",
        "text/x-greeting",
        "--confirm",
    ];
    let ran = stage.run(&send).await.well();
    assert_eq!(ran.out, "m-1\n");
    let sent = stage.messages("orders").await;
    let properties = &sent[0].properties;
    assert_eq!(&sent[0].body[..], b"hello");
    assert_eq!(
        properties.content_type().as_ref().unwrap().as_str(),
        "text/x-greeting"
    );
    assert_eq!(properties.delivery_mode(), &Some(2));
    let headers = properties.headers().as_ref().unwrap().inner();
    assert_eq!(
        headers.get(&ShortString::from("n")),
        Some(&AMQPValue::LongInt(3))
    );
    assert_eq!(
        headers.get(&ShortString::from("tenant")),
        Some(&AMQPValue::LongString("eu".into()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_is_a_message_and_every_confirm_a_line() {
    let stage = Stage::new().await;
    let lines: String = (0..1000).map(|n| format!("order {n}\n")).collect();
    let ran = stage
        .run_with(&["send", "-q", "orders", "--confirm"], &lines, &[])
        .await
        .well();
    let mut ids: Vec<_> = ran.out.lines().collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1000);
    let mut bodies: Vec<_> = stage
        .messages("orders")
        .await
        .iter()
        .map(|m| String::from_utf8(m.body.to_vec()).unwrap())
        .collect();
    bodies.sort_unstable();
    let mut wanted: Vec<_> = lines.lines().map(str::to_owned).collect();
    wanted.sort_unstable();
    assert_eq!(bodies, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_sent_byte_for_byte_through_an_exchange() {
    let stage = Stage::new().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"\x00\xff\r\n").unwrap();
    let path = file.path().to_str().unwrap();
    let send = [
        "send",
        "--exchange",
        "amq.default",
        "--routing-key",
        "orders",
        "--file",
        path,
    ];
    // There is no exchange of that name: nothing is confirmed.
    let ran = stage.run(&send).await;
    assert_eq!(ran.code, 1, "{}", ran.err);
    let send = [
        "send",
        "--exchange",
        "",
        "--routing-key",
        "orders",
        "--file",
        path,
    ];
    stage.run(&send).await.well();
    let sent = stage.messages("orders").await;
    assert_eq!(&sent[0].body[..], b"\x00\xff\r\n");
    assert_eq!(sent[0].properties.content_type(), &None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_message_waits_on_the_broker() {
    let stage = Stage::new().await;
    stage
        .run(&["send", "-q", "orders", "--after", "1h", "later"])
        .await
        .well();
    assert_eq!(stage.depth("orders").await, 0);
    stage
        .broker
        .advance(std::time::Duration::from_secs(3602))
        .await
        .unwrap();
    stage
        .broker
        .wait_until(|view| view.ready("orders") == 1)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_queue_takes_is_not_confirmed() {
    let stage = Stage::new().await;
    let ran = stage
        .run(&["send", "-q", "nowhere", "x", "--confirm"])
        .await;
    assert_eq!(ran.code, 1);
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("was not confirmed"), "{}", ran.err);
}
