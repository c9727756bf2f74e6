//! The broker goes away, for a while or for longer than the window.

use std::time::{Duration, Instant};

use integration_tests::{
    Client, FaultProxy, NodeOptions, Service, ServiceOptions, Vhost, handled, stays,
};

use crate::support::{SOON, consumes};

fn behind(proxy: &FaultProxy, vhost: &Vhost, window: &str) -> ServiceOptions {
    let url = proxy.url(vhost.name());
    Service::on(url)
        .queue("orders")
        .env("GARENNE_OUTAGE_WINDOW", window)
}

/// Takes the broker away: open connections are reset, new ones refused.
async fn go_down(proxy: &FaultProxy) {
    proxy.refuse().await;
    proxy.cut().await;
}

async fn for_(span: Duration, service: &mut Service) {
    stays(span, "the service lives", async || {
        service.assert_lives();
        Ok(())
    })
    .await;
}

/// Expects exit code 75 with the reason on stderr.
async fn gives_up(service: &mut Service) {
    let code = service.exit_code(SOON).await;
    let said = service.transcript();
    println!("{}", said.stderr().last().map_or("", String::as_str));
    assert_eq!(code, 75, "{}", said.tail());
    assert!(said.stderr_says("gave up"), "{}", said.tail());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_started_before_its_broker_consumes_once_the_broker_is_up() {
    let mut node = NodeOptions::new().prepare().await;
    let mut service = Service::on(node.url("/"))
        .queue("orders")
        .env("GARENNE_OUTAGE_WINDOW", "5m")
        .start();
    service.wait_for_log("link_attempt_failed").await;
    let accepting = node.restart().await;
    node.consumes("/", "orders").await;
    println!(
        "consuming {:.1?} after the broker accepted connections",
        accepting.elapsed()
    );
    let client = Client::connect(&node.url("/")).await;
    client.publish_orders("orders", [(1, "ok")]).await;
    service
        .wait_for("it is handled", |events| handled(events).len() == 1)
        .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_longer_than_the_window_ends_with_exit_75_after_what_had_begun_is_finished() {
    let vhost = Vhost::new().await;
    let proxy = FaultProxy::before(vhost.node()).await;
    let mut service = behind(&proxy, &vhost, "3s").start();
    consumes(&vhost, &mut service).await;
    let client = Client::connect(&vhost.url()).await;
    client.publish_orders("orders", [(1, "sleep:7000")]).await;
    service
        .wait_for("it has begun", |events| {
            events.iter().any(|e| e.is("begin", 1))
        })
        .await;
    let down = Instant::now();
    go_down(&proxy).await;
    gives_up(&mut service).await;
    println!(
        "a window of 3 s and a handler of 7 s: exit after {:.1?}",
        down.elapsed()
    );
    let done = service.transcript().count(|event| event.is("ok", 1));
    assert_eq!(done, 1, "what had begun did not finish");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_never_comes_up_ends_the_start_when_the_window_is_over() {
    let vhost = Vhost::new().await;
    let proxy = FaultProxy::before(vhost.node()).await;
    proxy.refuse().await;
    let mut service = behind(&proxy, &vhost, "3s").start();
    gives_up(&mut service).await;
    assert!(
        service.age() >= Duration::from_secs(3),
        "gave up after {:?} of 3 s",
        service.age()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_fast_ends_at_the_first_loss() {
    let vhost = Vhost::new().await;
    let proxy = FaultProxy::before(vhost.node()).await;
    let mut service = behind(&proxy, &vhost, "fail-fast").start();
    consumes(&vhost, &mut service).await;
    for_(Duration::from_secs(1), &mut service).await;
    proxy.cut().await;
    gives_up(&mut service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_and_goes_adds_up_in_one_outage() {
    let vhost = Vhost::new().await;
    let proxy = FaultProxy::before(vhost.node()).await;
    let mut service = behind(&proxy, &vhost, "8s").start();
    consumes(&vhost, &mut service).await;
    let first_loss = Instant::now();
    let phase = Duration::from_secs(2);
    let mut flaps = 0;
    while !service.has_ended() {
        assert!(
            first_loss.elapsed() < SOON,
            "{flaps} flaps and no end\n{}",
            service.transcript().tail()
        );
        flaps += 1;
        go_down(&proxy).await;
        either(&mut service, phase).await;
        proxy.accept().await;
        either(&mut service, phase).await;
    }
    gives_up(&mut service).await;
    let took = first_loss.elapsed();
    println!("gave up after {flaps} flaps in {took:.1?}");
    assert!(took >= Duration::from_secs(8) - phase, "{took:?}");
    let all = service.transcript().stderr().join("\n");
    assert!(
        took < Duration::from_secs(20),
        "the outages did not add up: {took:?}\n{all}"
    );
}

/// Lets time pass, or less if the service ends.
async fn either(service: &mut Service, span: Duration) {
    let start = Instant::now();
    integration_tests::eventually(SOON, "a phase of a flapping broker is over", async || {
        if service.has_ended() || start.elapsed() >= span {
            Ok(())
        } else {
            Err("it lasts".to_owned())
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_handled_between_two_outages_makes_them_two() {
    let vhost = Vhost::new().await;
    let proxy = FaultProxy::before(vhost.node()).await;
    let mut service = behind(&proxy, &vhost, "6s").start();
    consumes(&vhost, &mut service).await;
    let client = Client::connect(&vhost.url()).await;
    for id in 1..=4 {
        go_down(&proxy).await;
        for_(Duration::from_secs(2), &mut service).await;
        proxy.accept().await;
        client.publish_orders("orders", [(id, "ok")]).await;
        service
            .wait_for("it is handled", |events| handled(events).contains(&id))
            .await;
        vhost.drained("orders").await;
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_accepts_and_says_nothing_is_an_outage() {
    let vhost = Vhost::new().await;
    let proxy = FaultProxy::before(vhost.node()).await;
    proxy.accept_nothing().await;
    let mut service = behind(&proxy, &vhost, "3s").start();
    gives_up(&mut service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_falls_silent_is_found_by_its_heartbeat_and_replaced() {
    let vhost = Vhost::new().await;
    let proxy = FaultProxy::before(vhost.node()).await;
    let url = format!("{}?heartbeat=2", proxy.url(vhost.name()));
    let mut service = Service::on(url).queue("orders").start();
    consumes(&vhost, &mut service).await;
    let silence = Instant::now();
    proxy.freeze();
    service.wait_for_log("link_lost").await;
    println!(
        "silence was noticed after {:.1?} with a heartbeat of 2 s",
        silence.elapsed()
    );
    proxy.cut().await;
    proxy.thaw();
    let client = Client::connect(&vhost.url()).await;
    client.publish_orders("orders", [(1, "ok")]).await;
    service
        .wait_for("it is handled", |events| handled(events).len() == 1)
        .await;
    service.stop().await;
}
