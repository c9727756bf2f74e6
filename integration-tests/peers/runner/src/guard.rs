//! A guard against regressions that is not a timer: how many instructions the process of a service
//! executes for a delivery that is handled, and for one that fails, counted by valgrind.
//!
//! The broker is the embedded one, in this process, so that only the client is counted; twice as many
//! messages less once as many, so that start and end do not count. Under valgrind the client is always
//! slower than the broker, so what is coalesced does not depend on the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bench_plan::{Act, Axis, Case, Contender, Format};
use garenne_testing::broker::Broker;
use tokio::process::Command;
use tokio::time::timeout;

use crate::measure::{self, Run};
use crate::programs;
use crate::stage::Stage;

/// How many deliveries are counted.
const DELIVERIES: u64 = 5_000;
/// How often; the middle one is taken.
const TIMES: usize = 3;
/// How much more than the baseline is no regression, in percent: another compiler, libc or processor
/// counts a little differently.
const TOLERANCE: f64 = 5.0;
/// How long a run may take, which is some fifty times as long as without valgrind.
const PATIENCE: Duration = Duration::from_secs(300);
const ACCEPT: &str = "cargo xtask bench --guard --accept";

#[derive(serde::Serialize, serde::Deserialize)]
struct Baseline {
    /// For a message that is handled.
    instructions_per_delivery: u64,
    /// For a message that fails: its retry copy is stored before it is acked.
    instructions_per_failure: u64,
    /// The compiler that was used, for whoever wonders about a difference.
    rustc: String,
}

/// Compares with the baseline.
pub async fn check(programs: &Path) -> Result<(), String> {
    let file = file();
    let text = fs::read_to_string(&file)
        .map_err(|e| format!("no baseline in {}: {e}; make one: {ACCEPT}", file.display()))?;
    let before: Baseline = serde_json::from_str(&text)
        .map_err(|e| format!("{} is no baseline: {e}; make one: {ACCEPT}", file.display()))?;
    let now = counted(programs).await?;
    println!("baseline: {}", shown(&before));
    println!("now:      {}", shown(&now));
    let pairs = [
        (
            "a delivery",
            before.instructions_per_delivery,
            now.instructions_per_delivery,
        ),
        (
            "a failed delivery",
            before.instructions_per_failure,
            now.instructions_per_failure,
        ),
    ];
    for (what, before, now) in pairs {
        println!("{what}: {}", verdict(what, before, now)?);
    }
    Ok(())
}

/// Makes what is counted now the baseline.
pub async fn accept(programs: &Path) -> Result<(), String> {
    let (file, now) = (file(), counted(programs).await?);
    let text = serde_json::to_string_pretty(&now).map_err(|e| e.to_string())? + "\n";
    fs::write(&file, text).map_err(|e| format!("cannot write {}: {e}", file.display()))?;
    println!("now the baseline: {}", shown(&now));
    println!("commit {}, and say why it changed", file.display());
    Ok(())
}

fn verdict(what: &str, before: u64, now: u64) -> Result<String, String> {
    // In this order, a whole percent is one: `1050 / 1000 - 1` is more than five hundredths.
    let percent = (now as f64 - before as f64) * 100.0 / before as f64;
    if percent > TOLERANCE {
        Err(format!(
            "{what} costs {now} instructions, {percent:+.1} % against the baseline of {before}; \
             {TOLERANCE} % more are tolerated. See where they go: callgrind_annotate \
             target/peers/callgrind.out. If they are worth it: {ACCEPT}"
        ))
    } else if percent < -TOLERANCE {
        Ok(format!(
            "{percent:+.1} %: a gain to keep: {ACCEPT}, and commit the baseline"
        ))
    } else {
        Ok(format!(
            "{percent:+.1} %, up to +{TOLERANCE} % are tolerated"
        ))
    }
}

async fn counted(programs: &Path) -> Result<Baseline, String> {
    let version = std::process::Command::new("rustc")
        .arg("--version")
        .output();
    let version = version.map_err(|e| format!("cannot ask rustc for its version: {e}"))?;
    Ok(Baseline {
        instructions_per_delivery: each(programs, 0).await?,
        instructions_per_failure: each(programs, 1).await?,
        rustc: String::from_utf8_lossy(&version.stdout).trim().to_owned(),
    })
}

/// What one message costs if one of so many fails, 0 for none.
async fn each(programs: &Path, fail_every: u64) -> Result<u64, String> {
    let mut counts = Vec::new();
    for time in 1..=TIMES {
        let once = instructions(programs, fail_every, DELIVERIES).await?;
        let twice = instructions(programs, fail_every, 2 * DELIVERIES).await?;
        let each = twice.saturating_sub(once) / DELIVERIES;
        let what = if fail_every == 0 {
            "delivery"
        } else {
            "failed delivery"
        };
        eprintln!("{time} of {TIMES}: {each} instructions per {what}");
        counts.push(each);
    }
    counts.sort_unstable();
    Ok(counts[TIMES / 2])
}

/// All instructions of a service that starts, handles so many messages, and stops.
async fn instructions(programs: &Path, fail_every: u64, messages: u64) -> Result<u64, String> {
    let broker = Broker::start().await.map_err(|e| e.to_string())?;
    let case = Case {
        fail_every,
        ..case()
    };
    let stage = Stage::open(&broker.url(), &case).await?;
    stage.fill(messages, Format::Plain).await?;
    let counts = programs.join("callgrind.out");
    let run = Run {
        contender: Contender::Garenne,
        programs,
        url: stage.url(),
        case: &case,
        act: Act::Consume,
        count: messages,
    };
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--quiet", "--tool=callgrind", "--fair-sched=yes"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(programs::program(run.contender, programs));
    let mut child = run.spawn(&mut valgrind)?;
    let mut lines = measure::lines(&mut child)?;
    let whole = async {
        measure::event("first", &mut lines).await?;
        measure::event("done", &mut lines).await?;
        measure::end(&mut child).await
    };
    timeout(PATIENCE, whole)
        .await
        .unwrap_or_else(|_| Err(format!("it does not end within {PATIENCE:?}")))?;
    stage.drained().await?;
    broker.shutdown().await;
    let text = fs::read_to_string(&counts)
        .map_err(|e| format!("valgrind left no counts in {}: {e}", counts.display()))?;
    total(&text).ok_or_else(|| format!("{} has no total", counts.display()))
}

/// The plain case at prefetch 100.
fn case() -> Case {
    let mut cases = Axis::Core.cases();
    cases.retain(|case| case.prefetch == 100);
    cases.remove(0)
}

fn total(counts: &str) -> Option<u64> {
    let mut lines = counts.lines().rev();
    lines
        .find_map(|line| line.strip_prefix("totals:"))
        .and_then(|total| total.trim().parse().ok())
}

fn shown(baseline: &Baseline) -> String {
    let Baseline {
        instructions_per_delivery,
        instructions_per_failure,
        rustc,
    } = baseline;
    format!(
        "{instructions_per_delivery} instructions per delivery, {instructions_per_failure} per failed delivery ({rustc})"
    )
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guard.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_is_tolerated_fails_and_says_how_to_accept_it() {
        assert!(verdict("a delivery", 1000, 1050).is_ok());
        let error = verdict("a delivery", 1000, 1051).expect_err("too much");
        assert!(error.contains("1051") && error.contains("+5.1 %") && error.contains(ACCEPT));
    }

    #[test]
    fn a_gain_is_to_be_kept() {
        let gain = verdict("a delivery", 1000, 949).expect("a gain");
        assert!(gain.contains(ACCEPT), "{gain}");
        let same = verdict("a delivery", 1000, 951).expect("within the tolerance");
        assert!(!same.contains(ACCEPT), "{same}");
    }

    #[test]
    fn the_total_is_read_from_the_end_of_what_callgrind_writes() {
        assert_eq!(total("events: Ir\nfn=(1) a\n+1 5\ntotals: 77\n"), Some(77));
        assert_eq!(total("events: Ir\n"), None);
    }
}
