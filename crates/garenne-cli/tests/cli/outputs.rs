//! What people see, at the widths that they have.

use std::io::Write;
use std::process::Stdio;

use garenne::core::wire::is_hidden;

use crate::support::{Stage, TWO, command, many};

const ESCAPE: char = '\u{1b}';

#[tokio::test(flavor = "multi_thread")]
async fn a_list_fits_terminals_of_80_and_of_120_columns() {
    for columns in [80, 120] {
        for (name, arguments) in [
            ("ls", "failed ls --queue orders"),
            ("ls-two-queues", "failed ls --queue orders --queue gone"),
            ("groups", "failed ls --queue orders --group-by error"),
            ("show", "failed show --queue orders --limit 2"),
            ("dry-run", "failed replay --queue orders --dry-run"),
            ("topology", "topology --queue orders"),
        ] {
            let stage = Stage::new().await;
            stage
                .run(&["topology", "-q", "gone", "--declare"])
                .await
                .well();
            stage.park(TWO).await;
            let variables = [("NO_COLOR", "1")];
            let ran = stage
                .in_terminal_with(columns, arguments, &variables)
                .await
                .well();
            if name != "show" {
                for line in ran.out.lines() {
                    assert!(
                        line.chars().count() <= usize::from(columns),
                        "{name} at {columns}: {line}"
                    );
                }
            }
            insta::assert_snapshot!(format!("{name}-{columns}"), ran.out);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_piped_is_whole_and_without_colours() {
    let stage = Stage::new().await;
    stage.park(TWO).await;
    for (name, arguments) in [
        ("ls", &["failed", "ls", "--queue", "orders"][..]),
        ("ls-json", &["failed", "ls", "--queue", "orders", "--json"]),
        (
            "groups-json",
            &[
                "failed",
                "ls",
                "-q",
                "orders",
                "--group-by",
                "reason",
                "--json",
            ],
        ),
        ("topology-json", &["topology", "-q", "orders", "--json"]),
    ] {
        let ran = stage.run(arguments).await.well();
        assert!(!ran.out.contains(ESCAPE) && !ran.err.contains(ESCAPE));
        insta::assert_snapshot!(format!("{name}-piped"), ran.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_terminals_and_no_color_is_obeyed() {
    let stage = Stage::new().await;
    stage.park(TWO).await;
    let arguments = "failed ls --queue orders";
    let coloured = stage.in_terminal(100, arguments).await.well().out;
    assert!(coloured.contains(ESCAPE), "{coloured}");
    let plain = stage
        .in_terminal_with(100, arguments, &[("NO_COLOR", "1")])
        .await
        .well()
        .out;
    assert!(!plain.contains(ESCAPE), "{plain}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_producer_wrote_does_not_steer_the_terminal() {
    let stage = Stage::new().await;
    let hostile = TWO.replace("card declined", "\\u001b[2Jgone\\nfake line");
    stage.park(&hostile).await;
    for arguments in ["failed ls -q orders", "failed show -q orders -n 1"] {
        let ran = stage
            .in_terminal_with(120, arguments, &[("NO_COLOR", "1")])
            .await
            .well();
        assert!(!ran.out.contains(ESCAPE), "{}", ran.out);
        assert!(ran.out.contains("\\u{1b}[2Jgone"), "{}", ran.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_json_nor_a_fault_steers_the_terminal() {
    let stage = Stage::new().await;
    let hostile = TWO.replace(
        "card declined",
        "\\u001b[2J\\u009b31m\\u202egone\\nfake line",
    );
    stage.park(&hostile).await;
    let queue = "no\u{1b}]0;title\u{7}\u{9b}\u{202e}such\nqueue";
    let hostile_lines = std::env::temp_dir().join("no\u{1b}[2Jsuch\u{202e}file");
    for arguments in [
        &["failed", "ls", "-q", "orders", "--json"][..],
        &["failed", "show", "-q", "orders", "-n", "1", "--json"],
        &["failed", "export", "-q", "orders"],
        &["failed", "ls", "-q", queue],
        &["failed", "replay", "-q", queue],
        &["failed", "ls", "-q", "orders", "--since", "a\u{202e}b"],
        &["failed", "a\u{9b}31mb"],
        &["failed", "export", "-q", queue],
        &[
            "failed",
            "import",
            "-q",
            "orders",
            hostile_lines.to_str().unwrap(),
        ],
        &["doctor", "-q", queue],
        &["topology", "-q", queue],
    ] {
        let ran = stage.run(arguments).await;
        for line in ran.out.lines().chain(ran.err.lines()) {
            assert!(!line.contains(is_hidden), "{arguments:?}: {line:?}");
            assert!(
                !line.starts_with("queue") || arguments[0] == "topology",
                "{arguments:?}: {line:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_error_that_nobody_reads_is_no_fault() {
    let stage = Stage::new().await;
    stage.park(TWO).await;
    let mut sending = command(&stage.url());
    sending
        .args(["send", "-q", "orders.failed"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let mut sending = sending.spawn().unwrap();
    drop(sending.stderr.take());
    let mut stdin = sending.stdin.take().unwrap();
    let ended = tokio::task::spawn_blocking(move || {
        // It tells what it did when its input ends; by then nobody reads that.
        stdin.write_all(b"a line\n").unwrap();
        drop(stdin);
        sending.wait().unwrap()
    });
    assert_eq!(ended.await.unwrap().code(), Some(0));
    assert_eq!(stage.depth("orders.failed").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_is_no_fault_and_costs_no_message() {
    let stage = Stage::new().await;
    stage.park(&many(2000)).await;
    let line = format!(
        "{{ {} failed ls -q orders --json; echo \"code $?\" >&2; }} | head -n 1",
        env!("CARGO_BIN_EXE_garenne")
    );
    let url = stage.url();
    let output = tokio::task::spawn_blocking(move || {
        std::process::Command::new("sh")
            .args(["-c", &line])
            .env("AMQP_URL", url)
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("code 0"), "{err}");
    assert!(!err.contains("panicked"), "{err}");
    assert_eq!(stage.depth("orders.failed").await, 2000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_what_is_well_and_what_is_not() {
    let stage = Stage::new().await;
    let well = stage.run(&["doctor", "--queue", "orders"]).await.well();
    let shown = well.out.replace(&stage.broker.addr().to_string(), "BROKER");
    insta::assert_snapshot!("doctor-well", shown);

    let ill = stage
        .run(&[
            "doctor", "-q", "orders", "-q", "invoices", "--kind", "classic",
        ])
        .await;
    assert_eq!(ill.code, 1, "{}", ill.out);
    let shown = ill.out.replace(&stage.broker.addr().to_string(), "BROKER");
    insta::assert_snapshot!("doctor-ill", shown);
    assert!(stage.broker.queue("invoices").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_are_made_for_every_shell() {
    let stage = Stage::new().await;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stage.run(&["completions", shell]).await.well().out;
        assert!(script.contains("garenne"), "{shell}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_shown_while_it_takes_and_is_gone_when_it_is_done() {
    let stage = Stage::new().await;
    stage.park(&many(8)).await;
    let shown = stage
        .in_terminal(100, "failed replay -q orders --rate 4")
        .await;
    let shown = shown.well().out;
    let bar = shown.rfind("replaying [").expect("a bar is drawn");
    assert!(shown[bar..].contains("/8, "), "{shown:?}");
    let done = shown.rfind("replayed 8 messages").expect("it ends");
    // Each line of the bar is wiped before something else is written there.
    let wiped = format!("{ESCAPE}[2K");
    assert!(shown[bar..done].contains(&wiped), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_not_written_into_pipes() {
    let stage = Stage::new().await;
    stage.park(&many(2)).await;
    let replay = ["failed", "replay", "-q", "orders", "--rate", "2"];
    let ran = stage.run(&replay).await.well();
    assert_eq!(ran.err, "replayed 2 messages\n");
}
