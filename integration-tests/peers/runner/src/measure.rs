//! One run of one contender.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bench_plan::{Act, Case, Contender, Quantity, Sample, percentile};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::{process, programs};

/// How long one run may take: seconds, on an idle machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is to be run.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub contender: Contender,
    pub programs: &'a Path,
    pub url: &'a str,
    pub case: &'a Case,
    pub act: Act,
    /// How many messages it handles or publishes.
    pub count: u64,
}

/// A line of a contender.
#[derive(serde::Deserialize)]
pub struct Line {
    pub event: String,
    pub ns: u64,
    /// How old each message was when its handler was called.
    #[serde(default)]
    latencies_ns: Vec<u64>,
}

impl Run<'_> {
    /// The process, started; it is killed with its handle.
    pub fn start(&self) -> Result<Child, String> {
        let mut command = programs::command(self.contender, self.programs);
        self.spawn(&mut command)
    }

    /// The same by another command, which runs the contender in its own way.
    pub fn spawn(&self, command: &mut Command) -> Result<Child, String> {
        programs::tell(command, self.url, self.case, self.act, self.count);
        let name = self.contender.name();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| format!("cannot run {name}: {e}"))
    }

    /// Runs it to its end, which it is told once `settled` is done. What `feed` does begins with its
    /// first message.
    pub async fn measured(
        &self,
        feed: impl Future<Output = Result<(), String>>,
        settled: impl Future<Output = Result<(), String>>,
    ) -> Result<Sample, String> {
        let since = Instant::now();
        let mut child = self.start()?;
        let watched = timeout(PATIENCE, self.watch(&mut child, since, feed, settled));
        watched
            .await
            .unwrap_or_else(|_| Err(format!("it does not end within {PATIENCE:?}")))
    }

    async fn watch(
        &self,
        child: &mut Child,
        since: Instant,
        feed: impl Future<Output = Result<(), String>>,
        settled: impl Future<Output = Result<(), String>>,
    ) -> Result<Sample, String> {
        let id = child.id().ok_or("it ended at once")?;
        let mut lines = lines(child)?;
        let first = event("first", &mut lines).await?;
        let first_after = since.elapsed();
        let cpu_before = process::cpu(id)?;
        let (done, ()) = tokio::try_join!(event("done", &mut lines), feed)?;
        let last_after = since.elapsed();
        let cpu = process::cpu(id)?.saturating_sub(cpu_before);
        let peak = process::peak(id)?;
        // A quorum queue loses acks that its channel still holds back when the channel closes.
        settled.await?;
        end(child).await?;
        let (messages, took) = (
            self.count as f64,
            Duration::from_nanos(done.ns.saturating_sub(first.ns)),
        );
        let sample = Sample::default()
            .with(Quantity::Speed, messages / took.as_secs_f64())
            .with(Quantity::Cpu, cpu.as_secs_f64() * 1e6 / messages)
            .with(Quantity::Peak, peak as f64 / f64::from(1 << 20))
            .with_time(Quantity::First, first_after)
            .with_time(Quantity::Last, last_after);
        Ok(with_latencies(sample, done.latencies_ns))
    }
}

/// The first message was there before it was asked for.
fn with_latencies(mut sample: Sample, mut latencies: Vec<u64>) -> Sample {
    if latencies.is_empty() {
        return sample;
    }
    latencies.remove(0);
    for (quantity, part) in [
        (Quantity::P50, 0.5),
        (Quantity::P99, 0.99),
        (Quantity::P999, 0.999),
    ] {
        if let Some(nanos) = percentile(&mut latencies, part) {
            sample = sample.with_time(quantity, Duration::from_nanos(nanos));
        }
    }
    sample
}

/// What a process says.
pub fn lines(child: &mut Child) -> Result<Lines<BufReader<ChildStdout>>, String> {
    let output = child.stdout.take().ok_or("it has no output")?;
    Ok(BufReader::new(output).lines())
}

/// Waits for a line that tells of this event.
pub async fn event(name: &str, lines: &mut Lines<BufReader<ChildStdout>>) -> Result<Line, String> {
    let line = lines
        .next_line()
        .await
        .map_err(|e| format!("cannot read its output: {e}"))?;
    let line = line.ok_or_else(|| format!("it ended before it said `{name}`"))?;
    match serde_json::from_str::<Line>(&line) {
        Ok(said) if said.event == name => Ok(said),
        _ => Err(format!("it said `{line}` where `{name}` was due")),
    }
}

/// Ends a process by the end of its input.
pub async fn end(child: &mut Child) -> Result<(), String> {
    drop(child.stdin.take());
    let status = child.wait().await;
    let status = status.map_err(|e| format!("cannot wait for it: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{status}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_that_was_there_before_does_not_count_as_late() {
        let sample = with_latencies(Sample::default(), vec![9_000_000_000, 1_000_000]);
        let expected = Sample::default()
            .with(Quantity::P50, 1.0)
            .with(Quantity::P99, 1.0)
            .with(Quantity::P999, 1.0);
        assert_eq!(format!("{sample:?}"), format!("{expected:?}"));
    }
}
