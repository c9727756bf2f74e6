//! Passwords on the command line, and files with messages in them.

use crate::support::{Stage, TWO};
use crate::table::Table;

const DEAD: &str = "postgres://app:s3cret@127.0.0.1:1/shop";

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_arguments_does_not_repeat_a_password() {
    let stage = Stage::new().await;
    let mistyped = format!("--ulr={DEAD}");
    for arguments in [
        &["doctor", "amqp://app:s3cret@mq"] as &[&str],
        &["doctor", &mistyped],
        &["failed", "ls", "--databse", DEAD],
        &["failed", "ls", "--queue", "orders", "--since", DEAD],
        &["failed", "ls", "--queue", "orders", "--where", DEAD],
        &["failed", "ls", "--queue", "orders", "--limit", DEAD],
        &["topology", "--queue", "orders", "--retry", DEAD],
        &["doctor", "--url", "amqp://app:12/s3cret@mq"],
        &["doctor", "--url", "amqp://app:s3,cret@mq"],
        &["doctor", "--url", "amqp://mq?pasword=s3cret"],
        &[DEAD],
    ] {
        let ran = stage.run(arguments).await;
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.err);
        assert!(
            !ran.err.contains("s3") && !ran.out.contains("s3"),
            "{}",
            ran.err
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_on_the_command_line_is_warned_of() {
    let stage = Stage::new().await;
    let ran = stage.run(&["failed", "ls", "--database", DEAD]).await;
    assert!(
        ran.err
            .starts_with("garenne: warning: everybody on this host"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("GARENNE_DATABASE") && !ran.err.contains("s3cret"),
        "{}",
        ran.err
    );
    let ran = stage
        .run(&[
            "failed",
            "ls",
            "--database",
            "postgres://app@127.0.0.1:1/shop",
        ])
        .await;
    assert!(!ran.err.contains("warning"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_a_url_is_the_one_in_the_variable() {
    let stage = Stage::new().await;
    let table = Table::with(&stage, TWO).await;
    let variables = [("GARENNE_DATABASE", table.url())];
    for arguments in [
        &["failed", "ls", "--database"] as &[&str],
        &["failed", "ls", "--database", "--json"],
    ] {
        let ran = stage.run_with(arguments, "", &variables).await.well();
        assert!(ran.out.contains("orders"), "{}", ran.out);
    }
    let ran = stage.run(&["failed", "ls", "--database"]).await;
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("Set GARENNE_DATABASE"), "{}", ran.err);
    let faulty = [("GARENNE_DATABASE", "postgres://app:/s3cret@db/x")];
    let ran = stage
        .run_with(&["failed", "ls", "--database"], "", &faulty)
        .await;
    assert!(ran.code == 2 && !ran.err.contains("s3cret"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_for_tls_with_a_plain_address_are_a_fault() {
    let stage = Stage::new().await;
    let variables = [("GARENNE_TLS_CA", "/etc/ssl/ca.pem")];
    let ran = stage.run_with(&["doctor"], "", &variables).await;
    assert_eq!(ran.code, 2, "{}", ran.err);
    for part in ["amqp://127.0.0.1:", "`amqps://`", "GARENNE_TLS_CA"] {
        assert!(ran.err.contains(part), "{}", ran.err);
    }
    let key = "-----BEGIN PRIVATE KEY-----\nMIIEs3cret\n-----END PRIVATE KEY-----\n";
    let variables = [
        ("GARENNE_TLS_CERT", "/etc/ssl/cert.pem"),
        ("GARENNE_TLS_KEY", key),
    ];
    let ran = stage.run_with(&["doctor"], "", &variables).await;
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(
        ran.err.contains("the path of a PEM file") && !ran.err.contains("s3cret"),
        "{}",
        ran.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_for_this_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::new().await;
    stage.park(TWO).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.jsonl");
    let path = file.to_str().unwrap();
    stage
        .run(&["failed", "export", "--queue", "orders", "--output", path])
        .await
        .well();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}
