//! `garenne failed show`.

use std::io;

use garenne::core::{FailedMessage, Properties, header, json};
use garenne::failed::{FailedCursor, StoredFailure, to_json};
use serde_json::Value;

use super::ls::cannot_be_json;
use crate::args::Show;
use crate::exit::{Done, Trouble, say_fault};
use crate::interrupt::Interrupt;
use crate::output::{FAINT, STRONG, Screen, clean, clean_lines, count, styled, time};
use crate::store::Opened;

/// How many bytes that are no text are shown.
const DUMPED: usize = 512;

pub(crate) async fn run(show: &Show) -> Result<Done, Trouble> {
    if show.messages.selection.is_all() && show.messages.selection.limit.is_none() {
        return Err(Trouble::usage(
            "which message? Name its id (`garenne failed ls` lists them), or say --where or --limit",
        ));
    }
    let interrupt = Interrupt::listen();
    let opened = Opened::of(&show.messages.target).await?;
    let mut cursor = opened.open(&show.messages.selection.query()).await?;
    let shown = all(show, &mut *cursor, &interrupt).await;
    super::tell_passed_over(cursor.passed_over());
    let closed = cursor.close().await;
    opened.close().await;
    let Shown { number, refused } = shown?;
    super::closed(closed)?;
    if number == 0 {
        return Err(Trouble::failed(
            "no failed message is meant by that; `garenne failed ls` lists them",
        ));
    }
    Ok(if refused {
        Done::NotEverything
    } else {
        Done::Everything
    })
}

struct Shown {
    number: u64,
    /// Whether there was a record that cannot be JSON.
    refused: bool,
}

async fn all(
    show: &Show,
    cursor: &mut dyn FailedCursor,
    interrupt: &Interrupt,
) -> Result<Shown, Trouble> {
    let mut screen = Screen::new();
    let (mut number, mut refused) = (0, false);
    while !interrupt.is_asked() {
        let Some(StoredFailure { key, record }) = cursor.next().await? else {
            break;
        };
        if show.body {
            screen.bytes(&record.body)?;
        } else if show.json {
            match to_json(&record) {
                Ok(line) => screen.json(&Value::Object(line))?,
                Err(error) => {
                    say_fault(&cannot_be_json(&record, &error));
                    refused = true;
                }
            }
        } else {
            if number > 0 {
                screen.line("")?;
            }
            one(&record, &mut screen)?;
        }
        number += 1;
        cursor.keep(key).await?;
    }
    Ok(Shown { number, refused })
}

fn one(record: &FailedMessage, screen: &mut Screen) -> io::Result<()> {
    field(screen, "id", &record.message_id)?;
    field(screen, "queue", &record.queue)?;
    if let Some(doubt) = record.doubt() {
        field(screen, "in doubt", doubt)?;
    }
    let exchange = match record.exchange.as_str() {
        "" => "the default exchange",
        name => name,
    };
    let published = format!("{exchange}, routing key {}", record.routing_key);
    field(screen, "published to", &published)?;
    field(screen, "reason", record.reason.as_str())?;
    field(screen, "attempts", &record.attempts.to_string())?;
    field(screen, "first failed", &time(record.first_failed_at))?;
    field(screen, "last failed", &time(record.last_failed_at))?;
    let version = match record.version.as_str() {
        "" => String::new(),
        version => format!(" {version}"),
    };
    let place = format!("{}{version} on {}", record.service, record.host);
    if !record.service.is_empty() || !record.host.is_empty() {
        field(screen, "in", &place)?;
    }
    if record.replays() > 0 {
        field(
            screen,
            "replayed",
            &count(u64::from(record.replays().unsigned_abs()), "time"),
        )?;
    }
    if let Some(trace) = record.trace_context() {
        field(screen, "trace", trace.trace_id())?;
    }
    heading(screen, "error")?;
    indented(screen, &record.error)?;
    for cause in &record.error_chain {
        indented(screen, &format!("because {cause}"))?;
    }
    properties(&record.properties, screen)?;
    body(record, screen)
}

fn properties(properties: &Properties, screen: &mut Screen) -> io::Result<()> {
    let mut written = json::write_properties(properties).unwrap_or_default();
    let headers = written.remove("headers");
    written.remove("$unread");
    if !written.is_empty() {
        heading(screen, "properties")?;
        for (name, value) in &written {
            let shown = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            indented(screen, &format!("{name}: {shown}"))?;
        }
    }
    if let Some(Value::Object(mut headers)) = headers {
        // It stands above, and is not the message's own.
        headers.remove(header::FAIL_DOUBT);
        heading(screen, "headers")?;
        for (name, value) in &headers {
            let shown = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            indented(screen, &format!("{name}: {shown}"))?;
        }
    }
    if !properties.unread.is_empty() {
        heading(screen, "cannot be read, and is kept as it came")?;
        for part in &properties.unread {
            indented(screen, &part.to_string())?;
        }
    }
    Ok(())
}

/// JSON is set out, text is shown as it is, and of other bytes the first.
fn body(record: &FailedMessage, screen: &mut Screen) -> io::Result<()> {
    let bytes = u64::try_from(record.body.len()).unwrap_or(u64::MAX);
    heading(screen, &format!("body, {}", count(bytes, "byte")))?;
    if let Ok(json) = serde_json::from_slice::<Value>(&record.body) {
        let pretty = serde_json::to_string_pretty(&json).unwrap_or_default();
        return screen.lines(&clean_lines(&pretty));
    }
    match std::str::from_utf8(&record.body) {
        Ok("") => Ok(()),
        Ok(text) => screen.lines(&clean_lines(text)),
        Err(_) => dump(&record.body, screen),
    }
}

fn dump(body: &[u8], screen: &mut Screen) -> io::Result<()> {
    for (row, bytes) in body.chunks(16).take(DUMPED / 16).enumerate() {
        let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let readable = |byte: &u8| match byte {
            0x20..=0x7e => char::from(*byte),
            _ => '.',
        };
        let text: String = bytes.iter().map(readable).collect();
        screen.line(&format!("{:08x}  {:<47}  {text}", row * 16, hex.join(" ")))?;
    }
    if body.len() > DUMPED {
        let rest = format!(
            "… and {} bytes more; `--body` writes them all",
            body.len() - DUMPED
        );
        screen.line(&styled(FAINT, &rest))?;
    }
    Ok(())
}

fn field(screen: &mut Screen, name: &str, value: &str) -> io::Result<()> {
    let name = styled(STRONG, &format!("{name:<13}"));
    screen.line(&format!("{name} {}", clean(value)))
}

fn heading(screen: &mut Screen, name: &str) -> io::Result<()> {
    screen.line(&styled(STRONG, name))
}

/// A text of others may have lines. None of them looks like a line of this command's own.
fn indented(screen: &mut Screen, text: &str) -> io::Result<()> {
    for (number, line) in clean_lines(text).split('\n').enumerate() {
        let indent = if number == 0 { "  " } else { "    | " };
        screen.line(&format!("{indent}{line}"))?;
    }
    Ok(())
}
