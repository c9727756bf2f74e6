//! An axis: every contender has its turn in every round of every case.

use std::future::ready;
use std::path::Path;
use std::time::{Duration, Instant};

use bench_plan::{Act, Axis, Case, Contender, Format, Kind, Results, Sample};
use garenne_testing::RabbitNode;

use crate::measure::Run;
use crate::recovery;
use crate::stage::Stage;

/// How long queues may take to be empty after the last ack.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Where an axis takes place: a virtual host of its own, so that nothing is left of what was before.
const VHOST: &str = "bench";

/// A contender, and what its turn gave.
pub type Tried = (Contender, Result<Sample, String>);

pub struct Turns<'a> {
    pub axis: Axis,
    pub cases: &'a [Case],
    pub rounds: u64,
    pub programs: &'a Path,
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    pub results: Results,
    pub failed: Vec<Contender>,
}

impl Turns<'_> {
    pub async fn take(
        &self,
        mut contenders: Vec<Contender>,
        node: &mut RabbitNode,
    ) -> Result<Outcome, String> {
        let mut outcome = Outcome::default();
        for (place, case) in self.cases.iter().enumerate() {
            let mut stage = set(node, case).await?;
            for round in 1..=self.rounds {
                let (name, rounds) = (self.axis.name(), self.rounds);
                eprintln!("{name} {}: round {round} of {rounds}", case.label);
                let tried = self.round(&contenders, case, &mut stage, node).await?;
                for (contender, tried) in tried {
                    match tried {
                        Ok(sample) => outcome.results.add(place, contender, sample),
                        Err(error) => {
                            let who = contender.name();
                            println!("left out of the rest of {name}: {who}: {error}");
                            outcome.failed.push(contender);
                        }
                    }
                }
                contenders.retain(|contender| !outcome.failed.contains(contender));
            }
        }
        node.delete_vhost(VHOST).await;
        Ok(outcome)
    }

    /// Everybody's turn.
    async fn round(
        &self,
        contenders: &[Contender],
        case: &Case,
        stage: &mut Stage,
        node: &mut RabbitNode,
    ) -> Result<Vec<Tried>, String> {
        if self.axis.act() == Act::Recover {
            return recovery::of_all(contenders, self.programs, node, case).await;
        }
        let mut round = Vec::new();
        for &contender in contenders {
            let tried = self.turn(contender, case, stage, node).await;
            if tried.is_err() {
                // What it left behind must not meet the next one.
                *stage = set(node, case).await?;
            }
            round.push((contender, tried));
        }
        Ok(round)
    }

    async fn turn(
        &self,
        contender: Contender,
        case: &Case,
        stage: &Stage,
        node: &RabbitNode,
    ) -> Result<Sample, String> {
        let (act, messages) = (self.axis.act(), case.messages_for(contender));
        let run = |count| Run {
            contender,
            programs: self.programs,
            url: stage.url(),
            case,
            act,
            count,
        };
        let nothing = ready(Ok(()));
        match act {
            Act::Publish => {
                let run = run(messages);
                return run.measured(nothing, stage.holds(messages)).await;
            }
            Act::Consume | Act::Recover => {
                stage.fill(messages, contender.format()).await?;
                let run = run(messages);
                let sample = run
                    .measured(nothing, settled(node, stage, case.kind))
                    .await?;
                stage.drained().await?;
                Ok(sample)
            }
            Act::KeepUp { per_second } => {
                // One more, by which it is seen that it consumes.
                stage.fill(1, Format::Plain).await?;
                let (run, feed) = (run(messages + 1), stage.trickle(messages, per_second));
                let sample = run.measured(feed, settled(node, stage, case.kind)).await?;
                stage.drained().await?;
                Ok(sample)
            }
        }
    }
}

/// The queues of a case, and nothing else.
async fn set(node: &RabbitNode, case: &Case) -> Result<Stage, String> {
    if node
        .eval(&format!("rabbit_vhost:exists(<<\"{VHOST}\">>)"))
        .await?
        == "true"
    {
        node.delete_vhost(VHOST).await;
    }
    node.add_vhost(VHOST).await;
    Stage::open(&node.url(VHOST), case).await
}

/// Waits until a quorum queue holds nothing, in nobody's hands either, or gives up after a while:
/// [`Stage::drained`] finds out what is left. A classic queue has every ack before its channel closes.
async fn settled(node: &RabbitNode, stage: &Stage, kind: Kind) -> Result<(), String> {
    if kind == Kind::Classic {
        return Ok(());
    }
    let (since, mut looks) = (Instant::now(), tokio::time::interval(LOOK));
    loop {
        looks.tick().await;
        let queues = node.queues(VHOST).await?;
        let mut own = queues
            .iter()
            .filter(|queue| stage.queues().contains(&queue.name));
        if own.all(|queue| queue.messages() == 0) || since.elapsed() > PATIENCE {
            return Ok(());
        }
    }
}
