//! The command, a broker for it, and a terminal to run it in.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use garenne_broker::{Broker, MessageView};

use crate::table::PASSWORD;

/// What was written, and how it ended.
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap_or(-1),
        }
    }
}

impl Ran {
    /// That it did everything.
    #[track_caller]
    pub(crate) fn well(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }
}

/// The built command, with the broker's address and nothing else in its environment.
pub(crate) fn command(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_garenne"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AMQP_URL", url)
        .env("PGPASSWORD", PASSWORD)
        .stdin(Stdio::null());
    command
}

/// An embedded broker that has what the service on `orders` declares.
pub(crate) struct Stage {
    pub(crate) broker: Broker,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let broker = Broker::start().await.unwrap();
        let stage = Self { broker };
        stage
            .run(&["topology", "--queue", "orders", "--declare"])
            .await
            .well();
        stage
    }

    pub(crate) fn url(&self) -> String {
        self.broker.url()
    }

    /// Runs the command with its output in pipes.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "", &[]).await
    }

    /// The same with something to read, and variables.
    pub(crate) async fn run_with(
        &self,
        arguments: &[&str],
        input: &str,
        variables: &[(&str, &str)],
    ) -> Ran {
        let mut command = command(&self.url());
        command
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        finish(command, input.to_owned()).await
    }

    /// Runs the command in a terminal with so many columns.
    pub(crate) async fn in_terminal(&self, columns: u16, arguments: &str) -> Ran {
        self.in_terminal_with(columns, arguments, &[]).await
    }

    pub(crate) async fn in_terminal_with(
        &self,
        columns: u16,
        arguments: &str,
        variables: &[(&str, &str)],
    ) -> Ran {
        terminal(&self.url(), columns, arguments, variables).await
    }

    /// Parks failed messages, as an export has them.
    pub(crate) async fn park(&self, lines: &str) {
        self.run_with(&["failed", "import", "--queue", "orders"], lines, &[])
            .await
            .well();
    }

    /// Starts a replay of so many messages per second, and waits until so many are in `orders`.
    pub(crate) async fn replaying(&self, rate: &str, arguments: &[&str], sent: usize) -> Child {
        let mut command = command(&self.url());
        command
            .args(["failed", "replay", "--rate", rate])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let patience = Duration::from_secs(60);
        let sending = self
            .broker
            .wait_until_within(patience, |view| view.ready("orders") >= sent);
        sending.await.unwrap();
        child
    }

    pub(crate) async fn messages(&self, queue: &str) -> Vec<MessageView> {
        self.broker.messages(queue).await.unwrap()
    }

    pub(crate) async fn depth(&self, queue: &str) -> usize {
        self.messages(queue).await.len()
    }
}

/// Interrupts a command as Ctrl-C does, and waits for its end, which is a wanted one.
pub(crate) async fn interrupt(child: Child) -> Ran {
    let ended = tokio::task::spawn_blocking(move || {
        let signal = ["-INT", &child.id().to_string()];
        let interrupted = Command::new("kill").args(signal).status().unwrap();
        assert!(
            interrupted.success(),
            "it was over before it was interrupted"
        );
        Ran::from(child.wait_with_output().unwrap())
    });
    let ran = ended.await.unwrap();
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("stopped on request"), "{}", ran.err);
    ran
}

/// Runs the command in a terminal, against this broker.
pub(crate) async fn terminal(
    url: &str,
    columns: u16,
    arguments: &str,
    variables: &[(&str, &str)],
) -> Ran {
    let line = format!(
        "stty cols {columns} rows 40; exec {} {arguments}",
        env!("CARGO_BIN_EXE_garenne")
    );
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .env("AMQP_URL", url)
        .env("PGPASSWORD", PASSWORD)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut ran = finish(command, String::new()).await;
    ran.out = ran.out.replace("\r\n", "\n");
    ran
}

async fn finish(mut command: Command, input: String) -> Ran {
    let running = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        if let Some(mut stdin) = child.stdin.take() {
            // A command that is done may have stopped reading.
            let _ = stdin.write_all(input.as_bytes());
        }
        child.wait_with_output().unwrap()
    });
    running.await.unwrap().into()
}

/// Two messages that failed in different ways.
pub(crate) const TWO: &str = concat!(
    r#"{"message_id":"0190a2f4-77aa-7bbb-8ccc-123456789abc","queue":"orders","reason":"exhausted","#,
    r#""exchange":"shop","routing_key":"order.placed","error":"card declined","#,
    r#""error_chain":["gateway said no","HTTP 402"],"attempts":4,"#,
    r#""first_failed_at":"2026-09-21T14:12:20.123Z","last_failed_at":"2026-09-21T14:13:20.456Z","#,
    r#""host":"till-3","service":"order-service","version":"1.2.0","body":"eyJvcmRlcl9pZCI6N30=","#,
    r#""properties":{"content_type":"application/json","headers":{"tenant":"eu","n":{"$i16":3}}}}"#,
    "\n",
    r#"{"message_id":"0190a2f4-77aa-7bbb-8ccc-123456789abd","queue":"orders","reason":"delivery-limit","#,
    r#""exchange":"","routing_key":"orders","#,
    r#""error":"no answer within 1500 ms from the payment gateway at 10.0.0.3:443, which is overloaded again today","#,
    r#""attempts":1,"first_failed_at":"2026-09-21T15:00:00Z","last_failed_at":"2026-09-21T15:00:00Z","#,
    r#""host":"till-3","service":"order-service","body":"AP8B"}"#,
    "\n",
);

/// So many messages that failed alike, with the ids `m-0`, `m-1`….
pub(crate) fn many(number: u32) -> String {
    let line = |n| {
        format!(
            "{{\"message_id\":\"m-{n}\",\"queue\":\"orders\",\"reason\":\"exhausted\",\"error\":\"timeout after {n} ms\",\
             \"attempts\":4,\"last_failed_at\":\"2026-09-21T14:13:20Z\",\"body\":\"eyJvcmRlcl9pZCI6N30=\"}}\n"
        )
    };
    (0..number).map(line).collect()
}

impl Stage {
    /// Deletes a queue, as somebody else would.
    #[expect(clippy::disallowed_methods, reason = "the broker of a test is there")]
    pub(crate) async fn delete(&self, queue: &str) {
        let properties = lapin::ConnectionProperties::default();
        let connection = lapin::Connection::connect(&self.url(), properties)
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        let options = lapin::options::QueueDeleteOptions::default();
        channel.queue_delete(queue.into(), options).await.unwrap();
        connection.close(200, "OK".into()).await.unwrap();
    }
}
