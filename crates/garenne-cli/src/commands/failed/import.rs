//! `garenne failed import`.

use garenne::core::FailedMessage;
use garenne::failed::{FailedQuery, Flow, Inserted, from_line, transfer};
use tokio::fs::File;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};

use crate::args::{Import, Target};
use crate::exit::{Done, Trouble, say};
use crate::interrupt::Interrupt;
use crate::output::{Progress, count};
use crate::secrets::file_name;
use crate::store::Opened;

/// How many records are stored at once, and how many bytes of bodies.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 8 * 1024 * 1024;

pub(crate) async fn run(import: &Import) -> Result<Done, Trouble> {
    let interrupt = Interrupt::listen();
    if !import.from_queue.is_empty() {
        return take_over(import, &interrupt).await;
    }
    let lines: Box<dyn AsyncBufRead + Unpin + Send> = match &import.file {
        Some(path) => {
            let file = File::open(path).await.map_err(|e| {
                Trouble::usage(format!("cannot read the file {}: {e}", file_name(path)))
            })?;
            Box::new(BufReader::new(file))
        }
        None => Box::new(BufReader::new(tokio::io::stdin())),
    };
    let opened = ready(&import.target).await?;
    let progress = Progress::new("importing", None);
    let mut batches = Batches {
        lines: lines.lines(),
        number: 0,
    };
    let mut inserted = Inserted::default();
    let stored = async {
        loop {
            let batch = tokio::select! {
                biased;
                () = interrupt.clone().asked() => return Ok(Done::NotEverything),
                batch = batches.next() => batch?,
            };
            if batch.is_empty() {
                return Ok(Done::Everything);
            }
            let Inserted { new, known } = opened.store.insert(batch).await?;
            inserted.new += new;
            inserted.known += known;
            progress.at(inserted.new + inserted.known);
        }
    }
    .await;
    progress.clear();
    opened.close().await;
    say(&format!("imported {}", count(inserted.new, "message")));
    if inserted.known > 0 {
        say(&format!(
            "{} there already",
            count(inserted.known, "message")
        ));
    }
    stored
}

/// The store, once it is certain that it is there: a database is connected to, and its tables are
/// looked at. So nothing is taken off a broker for one that takes nothing, and none is called well
/// because there was nothing to store.
async fn ready(target: &Target) -> Result<Opened, Trouble> {
    let opened = Opened::of(target).await?;
    opened.store.insert(Vec::new()).await?;
    Ok(opened)
}

/// Moves what is parked on the broker into the database.
async fn take_over(import: &Import, interrupt: &Interrupt) -> Result<Done, Trouble> {
    let database = ready(&import.target).await?;
    let parked = Opened::parked(import.target.url.as_deref(), &import.from_queue).await?;
    let progress = Progress::new("moving", parked.total().await);
    let all = FailedQuery::all();
    let moving = transfer(&*parked.store, &all, &*database.store, |moved| {
        progress.at(moved);
        if interrupt.is_asked() {
            Flow::Stop
        } else {
            Flow::GoOn
        }
    });
    let moved = moving.await;
    progress.clear();
    parked.close().await;
    database.close().await;
    say(&format!("moved {}", count(moved?, "message")));
    if interrupt.is_asked() {
        say("stopped on request; the rest is still parked, run it again to go on");
        return Ok(Done::NotEverything);
    }
    Ok(Done::Everything)
}

/// Lines, read into records.
struct Batches {
    lines: tokio::io::Lines<Box<dyn AsyncBufRead + Unpin + Send>>,
    number: u64,
}

impl Batches {
    /// The next records; none at the end. A line that is none ends it: what comes before is stored.
    async fn next(&mut self) -> Result<Vec<FailedMessage>, Trouble> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let line = self.lines.next_line().await.map_err(|e| {
                Trouble::failed(format!("cannot read line {}: {e}", self.number + 1))
            })?;
            let Some(line) = line else {
                break;
            };
            self.number += 1;
            if line.trim().is_empty() {
                continue;
            }
            let record = from_line(&line).map_err(|e| {
                Trouble::failed(format!(
                    "line {} is not an exported message ({e}); mend it and import the rest; what was stored before stays",
                    self.number
                ))
            })?;
            bytes += record.body.len();
            batch.push(record);
        }
        Ok(batch)
    }
}
