//! `garenne failed export`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use garenne::failed::{FailedCursor, Seen, to_line};

use crate::args::Export;
use crate::exit::{Done, Trouble, say, say_fault};
use crate::interrupt::Interrupt;
use crate::output::{Progress, count};
use crate::secrets::file_name;
use crate::store::Opened;

pub(crate) async fn run(export: &Export) -> Result<Done, Trouble> {
    let interrupt = Interrupt::listen();
    let mut out: Box<dyn Write + Send> = match &export.output {
        Some(path) => {
            let file = new_private(path).map_err(|e| {
                Trouble::failed(format!("cannot make the file {}: {e}", file_name(path)))
            })?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(io::stdout())),
    };
    let opened = Opened::of(&export.messages.target).await?;
    let mut cursor = opened.open(&export.messages.selection.query()).await?;
    let progress = Progress::new("exporting", None);
    let written = write(&mut *cursor, &mut out, &progress, &interrupt).await;
    progress.clear();
    super::tell_passed_over(cursor.passed_over());
    let seen = cursor.close().await;
    opened.close().await;
    let Written { lines, refused } = written?;
    say(&format!("exported {}", count(lines, "message")));
    if interrupt.is_asked() || super::closed(seen)? == Seen::Part {
        say(
            "not everything was exported; run it again, or narrow it with --where, --since or --limit",
        );
        return Ok(Done::NotEverything);
    }
    Ok(if refused {
        Done::NotEverything
    } else {
        Done::Everything
    })
}

/// A new file that nobody else can read: what is in messages is nobody else's business.
fn new_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

struct Written {
    lines: u64,
    /// Whether there was a record that cannot be a line.
    refused: bool,
}

async fn write(
    cursor: &mut dyn FailedCursor,
    out: &mut (dyn Write + Send),
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Written, Trouble> {
    let mut written = Written {
        lines: 0,
        refused: false,
    };
    while !interrupt.is_asked() {
        let Some(stored) = cursor.next().await? else {
            break;
        };
        match to_line(&stored.record) {
            Ok(line) => {
                writeln!(out, "{line}").map_err(|e| Trouble::incomplete(&e))?;
                written.lines += 1;
                progress.at(written.lines);
            }
            Err(error) => {
                let id = &stored.record.message_id;
                say_fault(&format!("message `{id}` cannot be exported: {error}"));
                written.refused = true;
            }
        }
        cursor.keep(stored.key).await?;
    }
    out.flush().map_err(|e| Trouble::incomplete(&e))?;
    Ok(written)
}
