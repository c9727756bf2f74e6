//! Exit codes, and errors that say what to do.

use std::process::Stdio;
use std::time::{Duration, Instant};

use garenne_broker::Broker;

use crate::support::{Ran, Stage, TWO, command};

/// A broker that does not answer must not hold a person for longer; the connect timeout is 5 s.
const SECONDS: Duration = Duration::from_secs(20);

async fn run(url: &str, arguments: &[&str]) -> (i32, String) {
    let mut command = command(url);
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap_or(-1), err)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_broker_is_told_within_seconds_and_without_the_password() {
    let since = Instant::now();
    let url = "amqp://app:s3cret@127.0.0.1:1/shop";
    for arguments in [
        &["failed", "ls", "-q", "orders"][..],
        &["send", "-q", "orders", "x"],
        &["doctor"],
    ] {
        let (code, err) = run(url, arguments).await;
        assert_eq!(code, 75, "{err}");
        assert!(
            err.contains("127.0.0.1:1") && !err.contains("s3cret"),
            "{err}"
        );
    }
    assert!(since.elapsed() < SECONDS * 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_never_shown() {
    let broker = Broker::start().await.unwrap();
    let url = broker.url().replace("guest:guest", "guest:s3cret");
    let (code, err) = run(&url, &["failed", "ls", "-q", "orders"]).await;
    assert_eq!(code, 78, "{err}");
    assert!(err.contains("guest") && !err.contains("s3cret"), "{err}");
    let (code, err) = run("amqp://app:s3cret@:x", &["doctor"]).await;
    assert_eq!(code, 2, "{err}");
    assert!(!err.contains("s3cret"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_not_there_is_named() {
    let stage = Stage::new().await;
    let ran = stage.run(&["failed", "ls", "-q", "ordres"]).await;
    assert_eq!(ran.code, 78, "{}", ran.err);
    assert!(ran.err.contains("`ordres.failed`"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_cannot_be_used_are_told_before_anything_is_done() {
    for arguments in [
        &["failed", "ls"][..],
        &["failed", "ls", "-q", "orders", "--where", "timeout"],
        &["failed", "ls", "-q", "orders", "--since", "yesterday"],
        &["failed", "ls", "-q", "orders", "--reason", "bad-luck"],
        &["failed", "show", "-q", "orders"],
        &["failed", "replay", "-q", "orders", "--rate", "0"],
        &["send", "x"],
        &["topology", "-q", ""],
        &["topology", "-q", "orders", "--retry", "often"],
    ] {
        let (code, err) = run("amqp://127.0.0.1:1", arguments).await;
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert!(!err.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_names_what_keeps_it_out() {
    let broker = Broker::start().await.unwrap();
    let wrong = broker.url().replace("guest:guest", "guest:s3cret");
    for (name, url, code) in [
        ("refused", "amqp://app:s3cret@127.0.0.1:1/shop", 75),
        ("password", &wrong, 78),
    ] {
        let mut doctor = command(url);
        doctor.args(["doctor", "--queue", "orders"]);
        let ran = tokio::task::spawn_blocking(move || doctor.output().unwrap());
        let ran = Ran::from(ran.await.unwrap());
        assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(!said.contains("s3cret"), "{said}");
        let shown = said.replace(&broker.addr().to_string(), "BROKER");
        insta::assert_snapshot!(format!("doctor-{name}"), shown);
    }
}

/// Whoever sees an export end well may throw away next what was exported.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_whose_reader_is_gone_has_not_ended_well() {
    let stage = Stage::new().await;
    stage.park(TWO).await;
    for (word, code) in [("export", 1), ("ls", 0)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = command(&stage.broker.url());
        command.args(["failed", word, "-q", "orders"]);
        command.stdout(writer).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
        let ended = ended.await.unwrap().unwrap();
        let err = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{err}");
        assert_eq!(
            err.contains("not everything was exported"),
            code == 1,
            "{err}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_may_open_no_more_files_says_so_and_never_panics() {
    let broker = Broker::start().await.unwrap();
    let run = |most: u32| {
        let program = env!("CARGO_BIN_EXE_garenne");
        let line = format!("ulimit -n {most}; exec '{program}' doctor");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &line]).env("AMQP_URL", broker.url());
        tokio::task::spawn_blocking(move || shell.output().unwrap())
    };
    let mut told = 0;
    for most in 4..200 {
        let output = run(most).await.unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        match output.status.code() {
            // The loader of a program needs some files, before it is one of garenne's.
            Some(127) => {}
            Some(75) => {
                assert!(err.contains("ulimit -n"), "{most} files: {err}");
                told += 1;
            }
            Some(0) => break,
            code => panic!("{most} files: {code:?} {err}"),
        }
    }
    assert!(told >= 5, "{told} limits were too low");
}
