//! How soon contenders handle messages again after their broker was gone.

use std::path::Path;
use std::time::{Duration, Instant};

use bench_plan::{Act, Case, Contender, Format, Quantity, Sample};
use garenne_testing::RabbitNode;
use tokio::io::{BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use crate::measure::{self, Run};
use crate::stage::Stage;
use crate::turns::Tried;

/// How long one of them may take to handle a message.
const PATIENCE: Duration = Duration::from_secs(60);

/// A contender that consumes a queue of its own.
struct Patient {
    contender: Contender,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    vhost: String,
}

/// All of them live through the same restart, each in a virtual host of its own: while the broker is
/// gone they only wait.
pub async fn of_all(
    contenders: &[Contender],
    programs: &Path,
    node: &mut RabbitNode,
    case: &Case,
) -> Result<Vec<Tried>, String> {
    let (mut outcome, mut patients) = (Vec::new(), Vec::new());
    for &contender in contenders {
        match admit(contender, programs, node, case).await {
            Ok(patient) => patients.push(patient),
            Err(error) => outcome.push((contender, Err(error))),
        }
    }
    node.stop().await;
    let accepted = node.restart().await;
    for patient in &patients {
        let stage = Stage::open(&node.url(&patient.vhost), case).await?;
        stage.fill(1, Format::Plain).await?;
    }
    let waits = patients.iter_mut().map(|patient| async move {
        let handled = timeout(PATIENCE, measure::event("handled", &mut patient.lines)).await;
        let after = Instant::now().saturating_duration_since(accepted);
        let sample = match handled {
            Ok(Ok(_)) => Ok(Sample::default().with_time(Quantity::Recovery, after)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(format!("it handles nothing within {PATIENCE:?}")),
        };
        (patient.contender, sample)
    });
    outcome.extend(futures_util::future::join_all(waits).await);
    for mut patient in patients {
        // It may have failed; its place is taken away either way.
        let _ = timeout(PATIENCE, measure::end(&mut patient.child)).await;
        node.delete_vhost(&patient.vhost).await;
    }
    Ok(outcome)
}

/// Starts one and sees it handle a message.
async fn admit(
    contender: Contender,
    programs: &Path,
    node: &RabbitNode,
    case: &Case,
) -> Result<Patient, String> {
    let vhost = format!("bench-{}", contender.name());
    node.add_vhost(&vhost).await;
    let stage = Stage::open(&node.url(&vhost), case).await?;
    stage.fill(1, Format::Plain).await?;
    let run = Run {
        contender,
        programs,
        url: stage.url(),
        case,
        act: Act::Recover,
        count: 0,
    };
    let mut child = run.start()?;
    let mut lines = measure::lines(&mut child)?;
    let handled = timeout(PATIENCE, measure::event("handled", &mut lines)).await;
    handled.map_err(|_| format!("it handles nothing within {PATIENCE:?}"))??;
    Ok(Patient {
        contender,
        child,
        lines,
        vhost,
    })
}
