//! `garenne failed ls`.

use std::time::SystemTime;

use garenne::core::{FailedMessage, within_years_of_four_digits};
use garenne::failed::{
    FailedCursor, FailureGroups, GroupBy, LineError, Seen, StoredFailure, to_json,
};
use serde_json::{Value, json};

use crate::args::List;
use crate::exit::{Done, Trouble, say, say_fault};
use crate::interrupt::Interrupt;
use crate::output::{Column, Screen, Table, clean, count, time};
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
    super::tell_passed_over(cursor.passed_over());
    // What was looked at goes back in any case.
    let seen = cursor.close().await;
    opened.close().await;
    let listed = listed?;
    if super::closed(seen)? == Seen::Part {
        say(
            "not everything was looked at; narrow it with --where, --since or --limit, or run it again",
        );
        return Ok(Done::NotEverything);
    }
    Ok(listed)
}

async fn table(
    cursor: &mut dyn FailedCursor,
    names_queues: bool,
    screen: &mut Screen,
    interrupt: &Interrupt,
) -> Result<Done, Trouble> {
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
    let (mut number, mut doubtful) = (0, 0);
    while let Some(StoredFailure { key, record }) = next(cursor, interrupt).await? {
        number += 1;
        let error = match record.doubt() {
            Some(doubt) => {
                doubtful += 1;
                format!("IN DOUBT: {doubt}. {}", record.error)
            }
            None => record.error.clone(),
        };
        let cells = vec![
            time(record.last_failed_at),
            record.reason.to_string(),
            record.attempts.to_string(),
            record.message_id,
            if names_queues {
                format!("{}: {error}", record.queue)
            } else {
                error
            },
        ];
        table.row(&cells, screen)?;
        cursor.keep(key).await?;
    }
    table.write(screen)?;
    say(&with_doubtful(&count(number, "failed message"), doubtful));
    if number == 0 {
        say("what somebody else looks at or replays at this moment is not seen");
    }
    Ok(Done::Everything)
}

/// How many there are, and how many of them are in doubt.
fn with_doubtful(count: &str, doubtful: u64) -> String {
    match doubtful {
        0 => count.to_owned(),
        doubtful => format!("{count}, {doubtful} in doubt"),
    }
}

async fn lines(
    cursor: &mut dyn FailedCursor,
    screen: &mut Screen,
    interrupt: &Interrupt,
) -> Result<Done, Trouble> {
    let mut done = Done::Everything;
    while let Some(StoredFailure { key, record }) = next(cursor, interrupt).await? {
        match to_json(&record) {
            Ok(mut line) => {
                // A list is for finding; `show` and `export` have the bytes.
                line.remove("body");
                line.insert("body_bytes".to_owned(), record.body.len().into());
                screen.json(&Value::Object(line))?;
            }
            Err(error) => {
                say_fault(&cannot_be_json(&record, &error));
                done = Done::NotEverything;
            }
        }
        cursor.keep(key).await?;
    }
    Ok(done)
}

/// One record that is no JSON costs no other.
pub(super) fn cannot_be_json(record: &FailedMessage, error: &LineError) -> String {
    let id = clean(&record.message_id);
    format!("message `{id}` cannot be written as JSON: {error}")
}

async fn groups(
    cursor: &mut dyn FailedCursor,
    by: GroupBy,
    as_json: bool,
    screen: &mut Screen,
    interrupt: &Interrupt,
) -> Result<Done, Trouble> {
    let mut groups = FailureGroups::new(by);
    let mut doubtful = 0_u64;
    while let Some(StoredFailure { key, record }) = next(cursor, interrupt).await? {
        groups.add(&record);
        doubtful += u64::from(record.doubt().is_some());
        cursor.keep(key).await?;
    }
    let title = match by {
        GroupBy::Error => "ERROR",
        GroupBy::Reason => "REASON",
        GroupBy::Queue => "QUEUE",
        _ => "GROUP",
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
                "oldest": rfc3339(group.oldest),
                "newest": rfc3339(group.newest),
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
    if doubtful > 0 {
        say(&format!(
            "{doubtful} of them in doubt; --where doubt~ lists them"
        ));
    }
    Ok(Done::Everything)
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(within_years_of_four_digits(time)).to_string()
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
