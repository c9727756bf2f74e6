//! Starting the program, and reading what it says.

use std::io::{BufRead, BufReader};
use std::process::{ChildStderr, Command, Stdio};
use std::time::Duration;

use garenne::prelude::*;
use garenne_broker::{Broker, View};
use garenne_testing::{ProcessGroup, Signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::program::{ARGS, BEGUN, HOW};

/// Long enough that what has not happened by then never will, on a machine however slow.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A broker, the program, and the pipe that its standard error is.
pub(crate) struct Scene {
    pub(crate) broker: Broker,
    pub(crate) program: ProcessGroup,
    pub(crate) stderr: Option<ChildStderr>,
    has_begun: watch::Receiver<bool>,
}

/// Starts the program on a broker of its own.
pub(crate) async fn start(how: &str, env: &[(&str, &str)]) -> Scene {
    let broker = Broker::start().await.unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap());
    program
        .args(ARGS)
        .env_clear()
        .env("AMQP_URL", broker.url())
        .env(HOW, how)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut program = ProcessGroup::spawn("the program", &mut program);
    let stderr = program.child().stderr.take();
    let stdout = program.child().stdout.take().expect("it is piped");
    let (begun, has_begun) = watch::channel(false);
    spawn_blocking(move || {
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        for _ in lines.filter(|line| line.contains(BEGUN)) {
            begun.send_replace(true);
        }
    });
    Scene {
        has_begun,
        broker,
        program,
        stderr,
    }
}

impl Scene {
    pub(crate) async fn until(&self, wanted: impl FnMut(&View) -> bool) {
        let waiting = self.broker.wait_until_within(SOON, wanted);
        waiting.await.unwrap_or_else(|error| panic!("{error}"));
    }

    pub(crate) async fn consumes(&self) {
        self.until(|view| view.consumers("q") == 1).await;
    }

    /// Has all that was sent done.
    pub(crate) async fn is_idle(&self) {
        self.until(|view| view.ready("q") == 0 && view.unacked("q") == 0)
            .await;
    }

    pub(crate) async fn send(&self, messages: impl IntoIterator<Item = String>) {
        let publisher = Publisher::builder(self.broker.url())
            .connect()
            .await
            .unwrap();
        for message in messages {
            publisher
                .send(Outgoing::to_queue("q", message))
                .await
                .unwrap();
        }
        publisher.close().await;
    }

    /// Sends a message and waits until its handler has begun.
    pub(crate) async fn begin(&mut self, message: &str) {
        self.send([message.to_owned()]).await;
        let begun = self.has_begun.wait_for(|begun| *begun);
        let begun = tokio::time::timeout(SOON, begun).await;
        begun
            .expect("the handler begins")
            .expect("the program lives");
    }

    /// Asks the program to stop, and waits for its exit code.
    pub(crate) async fn stop(&mut self, signal: Signal) -> Option<i32> {
        self.program.signal(signal);
        self.end().await
    }

    pub(crate) async fn end(&mut self) -> Option<i32> {
        self.program.wait_exit(SOON).await.code()
    }

    /// Every line that the program writes, to its end.
    pub(crate) async fn lines(&mut self) -> Vec<String> {
        self.read().rest().await
    }

    /// Begins to read what the program writes.
    pub(crate) fn read(&mut self) -> Reading {
        let pipe = self.stderr.take().expect("it is read once");
        let (read, lines) = unbounded_channel();
        spawn_blocking(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8(line).expect("a log is UTF-8");
                if read.send(line).is_err() {
                    break;
                }
            }
        });
        Reading(lines)
    }
}

/// The lines of a program, while it writes them.
pub(crate) struct Reading(UnboundedReceiver<String>);

impl Reading {
    /// The lines until one of them has this text.
    pub(crate) async fn until(&mut self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while lines
            .last()
            .is_none_or(|line: &String| !line.contains(text))
        {
            let next = tokio::time::timeout(SOON, self.0.recv()).await;
            lines.push(
                next.expect("it goes on")
                    .expect("it says that before its end"),
            );
        }
        lines
    }

    /// All lines that follow.
    pub(crate) async fn rest(mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = tokio::time::timeout(SOON, self.0.recv())
            .await
            .expect("the pipe ends with the program")
        {
            lines.push(line);
        }
        lines
    }
}

/// The lines that tell of this event, in JSON.
pub(crate) fn events(lines: &[String], name: &str) -> Vec<serde_json::Value> {
    let values = lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok());
    values
        .filter(|value: &serde_json::Value| value["event"] == name)
        .collect()
}
