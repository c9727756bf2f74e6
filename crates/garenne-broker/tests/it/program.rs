//! The program `garenne-broker`, as a shell or a script sees it.

use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::{connect_to, within};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_garenne-broker"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Starts it and reads the URL that it prints.
async fn serve(arguments: &[&str]) -> (Child, String) {
    let mut program = command(arguments).spawn().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let url = within(lines.next_line()).await.unwrap();
    (program, url.expect("it prints its URL"))
}

/// Runs it to its end.
async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = within(command(arguments).output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[tokio::test]
async fn the_program_prints_its_url_and_serves_until_it_is_asked_to_stop() {
    for signal in ["INT", "TERM"] {
        let (mut program, url) = serve(&[]).await;
        let connection = connect_to(&url).await.unwrap();
        let pid = program.id().expect("it runs").to_string();
        let killed = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(within(killed).await.unwrap().success());
        let status = within(program.wait()).await.unwrap();
        assert_eq!(status.code(), Some(0), "after SIG{signal}");
        drop(connection);
    }
}

#[tokio::test]
async fn the_program_serves_the_user_and_the_vhosts_that_it_is_told() {
    let options = [
        "--user",
        "me",
        "--password=a=b",
        "--vhost",
        "one",
        "--vhost=two",
    ];
    let (_program, url) = serve(&options).await;
    assert!(url.starts_with("amqp://me:a%3Db@127.0.0.1:"), "{url}");
    connect_to(&url).await.unwrap();
    for vhost in ["one", "two"] {
        connect_to(&url.replace("%2F", vhost)).await.unwrap();
    }
    connect_to(&url.replace("%2F", "three")).await.unwrap_err();
    connect_to(&url.replace("a%3Db", "guest"))
        .await
        .unwrap_err();
}

#[tokio::test]
async fn the_program_says_why_it_cannot_serve_and_ends_with_1() {
    let (_program, url) = serve(&[]).await;
    let port = url.rsplit([':', '/']).nth(1).unwrap().to_owned();
    let (code, printed, error) = run(&["--port", &port]).await;
    assert_eq!((code, printed.as_str()), (Some(1), ""));
    assert!(error.contains("cannot listen on 127.0.0.1"), "{error}");
    assert!(error.contains("in use"), "{error}");
    let (code, _, error) = run(&["--address", "0.0.0.0"]).await;
    assert_eq!(code, Some(1));
    assert!(
        error.contains("0.0.0.0:0 is not a loopback address"),
        "{error}"
    );
}

#[tokio::test]
async fn the_program_names_wrong_arguments_and_ends_with_64() {
    let (code, printed, error) = run(&["--prot", "5672"]).await;
    assert_eq!((code, printed.as_str()), (Some(64), ""));
    assert_eq!(
        error,
        "garenne-broker: unknown argument `--prot`; see garenne-broker --help\n"
    );
}

#[tokio::test]
async fn the_program_explains_itself() {
    let (code, help, error) = run(&["--help"]).await;
    assert_eq!((code, error.as_str()), (Some(0), ""));
    for option in ["--port", "--address", "--vhost", "--user", "--heartbeat"] {
        assert!(help.contains(option), "{option} is not in\n{help}");
    }
    let (code, version, _) = run(&["--version"]).await;
    assert_eq!(code, Some(0));
    assert_eq!(
        version.trim(),
        concat!("garenne-broker ", env!("CARGO_PKG_VERSION"))
    );
}
