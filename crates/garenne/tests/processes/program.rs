//! The program: this test binary, started once more with its environment set. Messages say what becomes of them.

use std::future::pending;
use std::process::ExitCode;

use garenne::prelude::*;
use garenne::status::Phase;
use tokio::sync::watch;

/// How the program is started: `sync` or `async`. Without it, this is no program.
pub(crate) const HOW: &str = "PROGRAM";
/// What each process of the program is called to run.
pub(crate) const ARGS: [&str; 5] = [
    "--exact",
    "program::this_is_the_program",
    "--ignored",
    "--nocapture",
    "--test-threads=1",
];

/// What the program says on standard output when a handler has begun that takes its time.
pub(crate) const BEGUN: &str = "a handler has begun";

/// Whether the system stops.
static STOPPING: std::sync::LazyLock<watch::Sender<bool>> =
    std::sync::LazyLock::new(|| watch::Sender::new(false));

#[test]
#[ignore = "it is the program that other tests start"]
fn this_is_the_program() {
    let how = std::env::var(HOW);
    let builder =
        SystemBuilder::from_env().consume_fn(Queue::quorum("q").retry(Retry::none()), handle);
    let code = match how.as_deref() {
        Ok("sync") => builder.run(),
        Ok("async") => in_a_runtime(builder),
        other => panic!("{HOW} is {other:?}"),
    };
    let number = (0..=255).find(|number| ExitCode::from(*number) == code);
    std::process::exit(number.map_or(1, i32::from));
}

/// As `#[tokio::main]` makes it.
#[tokio::main]
async fn in_a_runtime(builder: SystemBuilder) -> ExitCode {
    builder.run_async_until(beside).await
}

/// What such a program does beside its system.
async fn beside(system: SystemHandle) {
    let _stopped = system
        .wait_until(|status| status.phase == Phase::Stopping)
        .await;
    STOPPING.send_replace(true);
    pending::<()>().await;
}

async fn handle(message: Delivery<Text>) -> Result<(), Failure> {
    let (what, text) = message.split_once(':').unwrap_or((&message, ""));
    match what {
        "ok" => Ok(()),
        "fail" => Err(Failure::permanent(text)),
        "panic" => panic!("{text}"),
        "cause" => Err(Declined(std::io::Error::other(text.to_owned())).into()),
        // A long line in the log.
        "long" => Err(Failure::discard("x".repeat(100_000))),
        "until-stop" => {
            println!("{BEGUN}");
            let mut stopping = STOPPING.subscribe();
            let _ = stopping.wait_for(|stopping| *stopping).await;
            Ok(())
        }
        "for-ever" => {
            println!("{BEGUN}");
            pending().await
        }
        other => Err(Failure::permanent(format!("no such message: {other}"))),
    }
}

#[derive(Debug)]
struct Declined(std::io::Error);

impl std::fmt::Display for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("declined")
    }
}

impl std::error::Error for Declined {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
