//! `garenne failed replay`.

use std::collections::BTreeMap;

use garenne::failed::{FailedQuery, Replay as Run, ReplayReport};
use serde_json::json;

use crate::args::Replay;
use crate::exit::{Done, Trouble, say, say_fault};
use crate::interrupt::Interrupt;
use crate::output::{Progress, Screen, clean, count};
use crate::store::Opened;

pub(crate) async fn run(replay: &Replay) -> Result<Done, Trouble> {
    let interrupt = Interrupt::listen();
    let mut opened = Opened::of(&replay.messages.target).await?;
    let query = replay.messages.selection.query();
    let done = if replay.dry_run {
        let query = match replay.doubtful {
            true => query,
            false => query.without_doubtful(),
        };
        preview(&opened, &query, replay.json, &interrupt).await
    } else {
        send(replay, &mut opened, query, interrupt).await
    };
    opened.close().await;
    done
}

async fn send(
    replay: &Replay,
    opened: &mut Opened,
    query: FailedQuery,
    interrupt: Interrupt,
) -> Result<Done, Trouble> {
    let total = match (replay.messages.selection.is_all(), opened.total().await) {
        (true, Some(total)) => Some(total.min(replay.messages.selection.limit.unwrap_or(total))),
        _ => None,
    };
    let publisher = opened.publisher().await?;
    let query = opened.narrowed(&query);
    let progress = Progress::new("replaying", total);
    let shown = progress.clone();
    let mut run = Run::of(query)
        .on_progress(move |so_far| shown.at(so_far.replayed + so_far.failed))
        .stop_when(interrupt.asked());
    if let Some(rate) = replay.rate {
        run = run.rate(rate.get());
    }
    if replay.doubtful {
        run = run.even_doubtful();
    }
    let report = run.run(&*opened.store, &publisher).await;
    progress.clear();
    let report = report.map_err(|error| {
        Trouble::from(error).while_doing(
        "the replay ended early; what is confirmed may be still stored and is sent again next time",
    )
    })?;
    let done = tell(&report, replay.json)?;
    let was_all = replay.messages.selection.is_all() && replay.messages.selection.limit.is_none();
    if !was_all || !report.is_complete() {
        return Ok(done);
    }
    // What a killed replay held comes back after a moment, and what was sent may have failed again.
    match opened.total().await {
        Some(left) if left > 0 => {
            let left = count(left, "message");
            say(&format!(
                "{left} came in meanwhile, or somebody else held them; run it again to go on"
            ));
            Ok(Done::NotEverything)
        }
        _ => Ok(done),
    }
}

/// What came of it: to a person on standard error, to a program on standard output.
pub(super) fn tell(report: &ReplayReport, as_json: bool) -> Result<Done, Trouble> {
    for failure in &report.failures {
        let (id, queue) = (clean(&failure.message_id), clean(&failure.queue));
        say_fault(&format!("{id} was not sent to {queue}: {}", failure.error));
    }
    let described = u64::try_from(report.failures.len()).unwrap_or(u64::MAX);
    if report.failed > described {
        say(&format!("… and {} more", report.failed - described));
    }
    if as_json {
        Screen::new().json(&json!({
            "replayed": report.replayed,
            "failed": report.failed,
            "stopped": report.stopped,
            "in_doubt": report.passed_over.withheld,
            "interrupted": report.interrupted.as_ref().map(ToString::to_string),
        }))?;
    } else {
        say(&format!("replayed {}", count(report.replayed, "message")));
    }
    if let Some(fault) = &report.not_put_back {
        say_fault(&clean(fault));
    }
    super::tell_passed_over(report.passed_over);
    if let Some(error) = &report.interrupted {
        return Err(Trouble::from(error.clone())
            .while_doing("the replay ended early; nothing is lost, run it again"));
    }
    if report.stopped {
        say("stopped on request; the rest is still stored, run it again to go on");
    }
    if report.failed > 0 {
        say(&format!(
            "{} could not be sent, still stored",
            report.failed
        ));
    }
    Ok(if report.is_complete() {
        Done::Everything
    } else {
        Done::NotEverything
    })
}

/// Says what a replay would send, and where to.
async fn preview(
    opened: &Opened,
    query: &FailedQuery,
    as_json: bool,
    interrupt: &Interrupt,
) -> Result<Done, Trouble> {
    let mut cursor = opened.open(query).await?;
    let mut queues = BTreeMap::<String, u64>::new();
    while !interrupt.is_asked() {
        let Some(stored) = cursor.next().await? else {
            break;
        };
        *queues.entry(stored.record.queue).or_default() += 1;
        cursor.keep(stored.key).await?;
    }
    let passed_over = cursor.passed_over();
    super::closed(cursor.close().await)?;
    let mut screen = Screen::new();
    if as_json {
        screen.json(&json!({ "would_replay": queues, "in_doubt": passed_over.withheld }))?;
    } else if queues.is_empty() {
        screen.line("would replay nothing")?;
    } else {
        for (queue, number) in queues {
            let messages = count(number, "message");
            screen.line(&format!("would replay {messages} to {}", clean(&queue)))?;
        }
    }
    super::tell_passed_over(passed_over);
    Ok(Done::Everything)
}
