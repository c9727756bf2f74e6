//! What a service or its broker has no more of is told as what it is.

use integration_tests::{Client, Service, ServiceOptions, Vhost};

use crate::support::SOON;

/// More files than a service needs that cannot reach its broker.
const ENOUGH: u32 = 64;

/// Ends at the first outage. Gives its exit code and the last line of what it said.
async fn last_words(options: ServiceOptions) -> (i32, String, String) {
    let mut service = options.env("GARENNE_OUTAGE_WINDOW", "fail-fast").start();
    let code = service.exit_code(SOON).await;
    let said = service.transcript();
    let last = said.stderr().last().cloned().unwrap_or_default();
    (code, last, said.tail())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_may_open_no_more_files_says_so_wherever_it_is() {
    let vhost = Vhost::new().await;
    // Which of them is missing depends on the limit: a thread's, a socket, what a resolver opens.
    let mut told = 0;
    for most in 4..ENOUGH {
        let options = Service::on(vhost.url()).open_files(most);
        let mut service = options.env("GARENNE_OUTAGE_WINDOW", "fail-fast").start();
        let limited = async {
            let code = service.exit_code(SOON).await;
            (code, service.transcript().tail())
        };
        tokio::select! {
            (code, said) = limited => {
                // The loader of a program needs some files, before it is one of garenne's.
                if code == 127 {
                    continue;
                }
                assert!(said.contains("ulimit -n"), "{most} files: exit code {code}\n{said}");
                assert!(!said.contains("panicked"), "{most} files\n{said}");
                assert!([70, 75].contains(&code), "{most} files: exit code {code}\n{said}");
                told += 1;
            }
            () = vhost.node().consumes(vhost.name(), "orders") => break,
        }
        assert!(most + 1 < ENOUGH, "it runs with {ENOUGH} files");
    }
    assert!(told >= 5, "{told} limits were too low");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_limit_is_told_as_a_limit_and_not_as_a_missing_right() {
    let vhost = Vhost::new().await;
    let (node, name) = (vhost.node(), vhost.name());
    let user = format!("user-{name}");
    node.add_user(&user, "s3cret").await;
    node.permit(&user, name).await;
    let service = || Service::on(node.url_for(&user, "s3cret", name));
    let limit = |set: String| async move { node.eval(&set).await.unwrap() };

    limit(format!(
        "rabbit_auth_backend_internal:set_user_limits(<<\"{user}\">>, <<\"{{\\\"max-connections\\\": 0}}\">>, <<\"test\">>)"
    ))
    .await;
    let (code, last, said) = last_words(service()).await;
    assert_eq!(code, 75, "{said}");
    assert!(
        last.contains("user connection limit") && last.contains("`rabbitmqctl set_user_limits`"),
        "{last}"
    );
    assert!(!last.contains("grant"), "{last}");
    limit(format!(
        "rabbit_auth_backend_internal:clear_user_limits(<<\"{user}\">>, <<\"all\">>, <<\"test\">>)"
    ))
    .await;

    let occupied = Client::connect(&vhost.url()).await;
    limit(format!(
        "rabbit_vhost_limit:parse_set(<<\"{name}\">>, <<\"{{\\\"max-connections\\\": 1}}\">>, <<\"test\">>)"
    ))
    .await;
    let (code, last, said) = last_words(service()).await;
    assert_eq!(code, 75, "{said}");
    assert!(
        last.contains("connection limit (1)") && last.contains("`rabbitmqctl set_vhost_limits`"),
        "{last}"
    );
    assert!(!last.contains("grant"), "{last}");
    drop(occupied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_channels_is_told_with_the_way_to_raise_it() {
    let vhost = Vhost::new().await;
    let (node, name) = (vhost.node(), vhost.name());
    let user = format!("user-{name}");
    node.add_user(&user, "s3cret").await;
    node.permit(&user, name).await;
    let set = format!(
        "rabbit_auth_backend_internal:set_user_limits(<<\"{user}\">>, <<\"{{\\\"max-channels\\\": 1}}\">>, <<\"test\">>)"
    );
    node.eval(&set).await.unwrap();
    let (code, last, said) = last_words(Service::on(node.url_for(&user, "s3cret", name))).await;
    assert_eq!(code, 75, "{said}");
    assert!(
        last.contains("limit") && last.contains("`set_user_limits`"),
        "{last}\n{said}"
    );
    assert!(!said.contains("invalid connection state"), "{said}");
}
