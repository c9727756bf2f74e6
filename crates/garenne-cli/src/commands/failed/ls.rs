//! `garenne failed ls`.

use garenne::failed::{FailedCursor, FailureGroups, GroupBy, Seen, StoredFailure, to_json};
use serde_json::{Value, json};

use crate::args::List;
use crate::exit::{Done, Trouble, say};
use crate::interrupt::Interrupt;
use crate::output::{Column, Screen, Table, count, time};
use crate::store::Opened;

pub(crate) async fn run(list: &List) -> Result<Done, Trouble> {
    let interrupt = Interrupt::listen();
    let opened = Opened::of(&list.messages.target).await?;
    let mut cursor = opened.open(&list.messages.selection.query()).await?;
    let mut screen = Screen::new();
    let listed = match list.group_by {
        Some(by) => groups(&mut *cursor, by, list.json, &mut screen, &interrupt).await,
        None if list.json => lines(&mut *cursor, &mut screen, &interrupt).await,
        None => {
            let names_queues = list.messages.target.queue.len() != 1;
            table(&mut *cursor, names_queues, &mut screen, &interrupt).await
        }
    };
    // What was looked at goes back in any case.
    let seen = cursor.close().await;
    opened.close().await;
    listed?;
    if seen? == Seen::Part {
        say(
            "not everything was looked at; narrow it with --where, --since or --limit, or run it again",
        );
        return Ok(Done::NotEverything);
    }
    Ok(Done::Everything)
}

async fn table(
    cursor: &mut dyn FailedCursor,
    names_queues: bool,
    screen: &mut Screen,
    interrupt: &Interrupt,
) -> Result<(), Trouble> {
    // All up to the ID takes 80 columns. So the queue, where there are several, stands with the
    // error, which may go below.
    let error = if names_queues {
        "QUEUE: ERROR"
    } else {
        "ERROR"
    };
    let mut table = Table::new(&[
        Column::text("FAILED (UTC)"),
        Column::text("REASON"),
        Column::number("TRIES"),
        Column::text("ID"),
        Column::flexible(error),
    ]);
    let mut number = 0;
    while let Some(StoredFailure { key, record }) = next(cursor, interrupt).await? {
        number += 1;
        let cells = vec![
            time(record.last_failed_at),
            record.reason.to_string(),
            record.attempts.to_string(),
            record.message_id,
            if names_queues {
                format!("{}: {}", record.queue, record.error)
            } else {
                record.error
            },
        ];
        table.row(&cells, screen)?;
        cursor.keep(key).await?;
    }
    table.write(screen)?;
    say(&count(number, "failed message"));
    Ok(())
}

async fn lines(
    cursor: &mut dyn FailedCursor,
    screen: &mut Screen,
    interrupt: &Interrupt,
) -> Result<(), Trouble> {
    while let Some(StoredFailure { key, record }) = next(cursor, interrupt).await? {
        let mut line = to_json(&record).map_err(Trouble::failed)?;
        // A list is for finding; `show` and `export` have the bytes.
        line.remove("body");
        line.insert("body_bytes".to_owned(), record.body.len().into());
        screen.json(&Value::Object(line))?;
        cursor.keep(key).await?;
    }
    Ok(())
}

async fn groups(
    cursor: &mut dyn FailedCursor,
    by: GroupBy,
    as_json: bool,
    screen: &mut Screen,
    interrupt: &Interrupt,
) -> Result<(), Trouble> {
    let mut groups = FailureGroups::new(by);
    while let Some(StoredFailure { key, record }) = next(cursor, interrupt).await? {
        groups.add(&record);
        cursor.keep(key).await?;
    }
    let title = match by {
        GroupBy::Error => "ERROR",
        GroupBy::Reason => "REASON",
        GroupBy::Queue => "QUEUE",
    };
    let mut table = Table::new(&[
        Column::number("COUNT"),
        Column::text("FIRST (UTC)"),
        Column::text("LAST (UTC)"),
        Column::flexible(title),
    ]);
    for group in groups.largest_first() {
        if as_json {
            screen.json(&json!({
                "name": group.name,
                "count": group.count,
                "oldest": humantime::format_rfc3339_millis(group.oldest).to_string(),
                "newest": humantime::format_rfc3339_millis(group.newest).to_string(),
                "newest_id": group.newest_id,
            }))?;
        } else {
            let cells = vec![
                group.count.to_string(),
                time(group.oldest),
                time(group.newest),
                group.name,
            ];
            table.row(&cells, screen)?;
        }
    }
    table.write(screen)?;
    Ok(())
}

/// The next message, unless somebody asked to stop.
async fn next(
    cursor: &mut dyn FailedCursor,
    interrupt: &Interrupt,
) -> Result<Option<StoredFailure>, Trouble> {
    if interrupt.is_asked() {
        return Ok(None);
    }
    Ok(cursor.next().await?)
}
