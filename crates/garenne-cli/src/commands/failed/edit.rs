//! `garenne failed edit`.

use std::io::Write;
use std::path::Path;

use garenne::core::FailedMessage;
use garenne::failed::{FailedQuery, Replay};
use tokio::process::Command;

use super::replay::tell;
use crate::args::Edit;
use crate::exit::{Done, Trouble, say};
use crate::output::clean;
use crate::store::Opened;

pub(crate) async fn run(edit: &Edit) -> Result<Done, Trouble> {
    let editor = editor()?;
    let mut opened = Opened::of(&edit.target).await?;
    let done = mend(edit, &editor, &mut opened).await;
    opened.close().await;
    done
}

async fn mend(edit: &Edit, editor: &str, opened: &mut Opened) -> Result<Done, Trouble> {
    let query = FailedQuery::all().id(&edit.id);
    // The message goes back while a person thinks: a broker lets nobody hold it for long.
    let stored = the_one(opened, &query, &edit.id).await?;
    if let Some(doubt) = stored.doubt().filter(|_| !edit.doubtful) {
        return Err(Trouble::failed(format!(
            "the message is in doubt: {}; look at it with `garenne failed show`, and say --doubtful to send it",
            clean(doubt)
        )));
    }
    let Some(body) = edited(editor, &stored).await? else {
        say("the body was not changed; nothing was sent");
        return Ok(Done::Everything);
    };
    let publisher = opened.publisher().await?;
    // What came meanwhile may have the same id: only what was edited gets the body.
    let mut replay = Replay::of(opened.narrowed(&query)).mended(stored, body);
    if edit.doubtful {
        replay = replay.even_doubtful();
    }
    let report = replay.run(&*opened.store, &publisher).await?;
    if report.replayed == 0 && report.is_complete() {
        return Err(Trouble::failed(
            "the message is no longer stored: somebody else has replayed or discarded it meanwhile; nothing was sent",
        ));
    }
    tell(&report, false)
}

/// The message with this id. Two under one id cannot both get one body.
async fn the_one(opened: &Opened, query: &FailedQuery, id: &str) -> Result<FailedMessage, Trouble> {
    let mut cursor = opened.open(query).await?;
    let mut found = Vec::new();
    while let Some(stored) = cursor.next().await? {
        cursor.keep(stored.key).await?;
        found.push(stored.record);
    }
    super::closed(cursor.close().await)?;
    let number = found.len();
    match (found.pop(), number) {
        (Some(record), 1) => Ok(record),
        (None, _) => Err(Trouble::failed(format!(
            "no failed message has the id `{id}`; `garenne failed ls` lists them"
        ))),
        _ => Err(Trouble::failed(format!(
            "{number} failed messages have the id `{id}`; discard those that are not wanted first"
        ))),
    }
}

fn editor() -> Result<String, Trouble> {
    let set = |name| {
        std::env::var(name)
            .ok()
            .filter(|editor| !editor.trim().is_empty())
    };
    set("VISUAL").or_else(|| set("EDITOR")).ok_or_else(|| {
        Trouble::usage("which editor? Set VISUAL or EDITOR, for example EDITOR=nano")
    })
}

/// The body as it was saved; `None` if it was not changed.
async fn edited(editor: &str, record: &FailedMessage) -> Result<Option<Vec<u8>>, Trouble> {
    let suffix = match serde_json::from_slice::<serde_json::Value>(&record.body) {
        Ok(_) => ".json",
        Err(_) => ".txt",
    };
    let file = tempfile::Builder::new()
        .prefix("garenne-")
        .suffix(suffix)
        .tempfile()
        .and_then(|mut file| {
            file.write_all(&record.body)?;
            file.flush()?;
            Ok(file)
        });
    let file =
        file.map_err(|e| Trouble::failed(format!("cannot make a file for the body: {e}")))?;
    open(editor, file.path()).await?;
    // By its path: many editors save by putting another file in its place.
    let saved = std::fs::read(file.path())
        .map_err(|e| Trouble::failed(format!("cannot read what was saved: {e}")))?;
    Ok((saved != *record.body).then_some(saved))
}

/// The variable may hold arguments too (`code --wait`): a shell takes it apart, as everywhere else.
async fn open(editor: &str, path: &Path) -> Result<(), Trouble> {
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(path)
        .status()
        .await
        .map_err(|e| Trouble::failed(format!("cannot start the editor `{editor}`: {e}")))?;
    if status.success() {
        Ok(())
    } else {
        Err(Trouble::failed(format!(
            "the editor `{editor}` failed ({status}); nothing was sent"
        )))
    }
}
