//! One run of one contender.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use crate::broker::QUEUE;
use crate::contender::Contender;
use crate::plan::Load;

/// How long one run may take: seconds, on an idle machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// What one run cost, from the first message to the last.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub messages_per_second: f64,
    /// User and system time of all threads of the process.
    pub cpu_us_per_message: f64,
    /// The most memory it ever had, start and end included.
    pub peak_bytes: u64,
}

#[derive(serde::Deserialize)]
struct Line {
    event: String,
    ns: u64,
}

/// Runs a contender to its end, which it is told once `settled` is done.
pub async fn run(
    contender: Contender,
    programs: &Path,
    url: &str,
    load: Load,
    settled: impl Future<Output = Result<(), String>>,
) -> Result<Sample, String> {
    let mut command = contender.command(programs);
    command
        .env("BENCH_URL", url)
        .env("BENCH_QUEUE", QUEUE)
        .env("BENCH_PREFETCH", load.prefetch.to_string())
        .env("BENCH_COUNT", load.messages.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .map_err(|e| format!("cannot run {}: {e}", contender.name()))?;
    let run = timeout(PATIENCE, watch(&mut child, load, settled));
    match run.await {
        Ok(sample) => sample.map_err(|error| format!("{}: {error}", contender.name())),
        Err(_) => Err(format!(
            "{} does not end within {PATIENCE:?}",
            contender.name()
        )),
    }
}

async fn watch(
    child: &mut Child,
    load: Load,
    settled: impl Future<Output = Result<(), String>>,
) -> Result<Sample, String> {
    let id = child.id().ok_or("it ended at once")?;
    let output = child.stdout.take().ok_or("it has no output")?;
    let mut lines = BufReader::new(output).lines();
    let first = event("first", &mut lines).await?;
    let cpu_before = cpu(id)?;
    let done = event("done", &mut lines).await?;
    let cpu = cpu(id)?.saturating_sub(cpu_before);
    let peak_bytes = peak(id)?;
    // A quorum queue loses acks that its channel still holds back when the channel closes.
    settled.await?;
    // The end of its input ends it.
    drop(child.stdin.take());
    let status = child
        .wait()
        .await
        .map_err(|e| format!("cannot wait for it: {e}"))?;
    if !status.success() {
        return Err(format!("{status}"));
    }
    let (messages, took) = (
        load.messages as f64,
        Duration::from_nanos(done.saturating_sub(first)),
    );
    Ok(Sample {
        messages_per_second: messages / took.as_secs_f64(),
        cpu_us_per_message: cpu.as_secs_f64() * 1e6 / messages,
        peak_bytes,
    })
}

/// Waits for a line that tells of this event, and gives its time.
async fn event(name: &str, lines: &mut Lines<BufReader<ChildStdout>>) -> Result<u64, String> {
    let line = lines
        .next_line()
        .await
        .map_err(|e| format!("cannot read its output: {e}"))?;
    let line = line.ok_or_else(|| format!("it ended before it said `{name}`"))?;
    match serde_json::from_str(&line) {
        Ok(Line { event, ns }) if event == name => Ok(ns),
        _ => Err(format!("it said `{line}` where `{name}` was due")),
    }
}

/// User and system time of the threads that live, in nanoseconds of the scheduler: what `getrusage`
/// counts, but while the process runs and finer than its ticks.
fn cpu(id: u32) -> Result<Duration, String> {
    let folder = format!("/proc/{id}/task");
    let threads = fs::read_dir(&folder).map_err(|e| format!("cannot read {folder}: {e}"))?;
    // A thread may end while it is looked for.
    let times = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Ok(Duration::from_nanos(times.sum()))
}

fn peak(id: u32) -> Result<u64, String> {
    let file = format!("/proc/{id}/status");
    let text = fs::read_to_string(&file).map_err(|e| format!("cannot read {file}: {e}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: Option<u64> =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kilobytes
        .map(|kilobytes| kilobytes * 1024)
        .ok_or_else(|| format!("{file} has no VmHWM"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_costs_time_and_memory() {
        let own = std::process::id();
        let before = cpu(own).expect("our own");
        // However slow the machine is, work moves this clock.
        while cpu(own).expect("our own") <= before {
            std::hint::spin_loop();
        }
        assert!(peak(own).expect("our own") > 0);
    }
}
