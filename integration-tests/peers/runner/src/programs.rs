//! How each contender is started.

use std::path::{Path, PathBuf};

use bench_plan::{Act, Case, Contender};
use tokio::process::Command;

/// What to run, among the programs that were built and installed here.
pub fn command(contender: Contender, programs: &Path) -> Command {
    let mut command = Command::new(program(contender, programs));
    match contender {
        Contender::LapinAwaitAck => command.arg("await-ack"),
        Contender::LapinBest => command.arg("best"),
        Contender::LapinNoAck => command.arg("no-ack"),
        Contender::Pika => command.arg(source("python/pika_consumer.py")),
        Contender::Celery => command.arg(source("python/celery_consumer.py")),
        Contender::Amqplib => command
            .arg(source("node/consumer.js"))
            .env("NODE_PATH", programs.join("node_modules"))
            .env("NODE_ENV", "production"),
        Contender::Garenne
        | Contender::Amqprs
        | Contender::Librabbitmq
        | Contender::Amqp091Go
        | Contender::ApalisAmqp
        | Contender::RuststreamLapin => &mut command,
    };
    command
}

pub fn program(contender: Contender, programs: &Path) -> PathBuf {
    let rust = programs.join("cargo/release");
    match contender {
        Contender::Garenne => rust.join("garenne-contender"),
        Contender::LapinAwaitAck | Contender::LapinBest | Contender::LapinNoAck => {
            rust.join("lapin-contender")
        }
        Contender::Amqprs => rust.join("amqprs-contender"),
        Contender::ApalisAmqp => rust.join("apalis-contender"),
        Contender::RuststreamLapin => rust.join("ruststream-contender"),
        Contender::Librabbitmq => programs.join("librabbitmq-contender"),
        Contender::Amqp091Go => programs.join("go-contender"),
        Contender::Pika | Contender::Celery => programs.join("venv/bin/python"),
        Contender::Amqplib => PathBuf::from("node"),
    }
}

/// A file of the contenders' own.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// What a contender is told; those who take part in the core axis alone know the first four.
pub fn tell(command: &mut Command, url: &str, case: &Case, act: Act, count: u64) {
    let act = match act {
        Act::Consume => "consume",
        Act::Publish => "publish",
        Act::KeepUp { .. } => "keep-up",
        Act::Recover => "recover",
    };
    command
        .env("BENCH_URL", url)
        .env("BENCH_QUEUE", case.queue_names().join(","))
        .env("BENCH_PREFETCH", case.prefetch.to_string())
        .env("BENCH_COUNT", count.to_string())
        .env("BENCH_ACT", act)
        .env("BENCH_KIND", case.kind.name())
        .env("BENCH_WORKERS", case.workers.to_string())
        .env("BENCH_PAUSE_MS", case.pause.as_millis().to_string())
        .env("BENCH_FAIL_EVERY", case.fail_every.to_string())
        .env("BENCH_WINDOW", case.window.to_string())
        .env("BENCH_BODY", case.body.to_string());
}
