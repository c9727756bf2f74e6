//! `garenne failed`.

mod discard;
mod edit;
mod export;
mod import;
mod ls;
mod replay;
mod show;

use garenne::failed::{PassedOver, Seen, StoreError, StoreErrorKind};

use crate::args::FailedCommand;
use crate::exit::{Done, Trouble, say, say_fault};
use crate::output::{clean, count};

pub(crate) async fn run(command: FailedCommand) -> Result<Done, Trouble> {
    match command {
        FailedCommand::Ls(list) => ls::run(&list).await,
        FailedCommand::Show(show) => show::run(&show).await,
        FailedCommand::Replay(replay) => replay::run(&replay).await,
        FailedCommand::Discard(discard) => discard::run(&discard).await,
        FailedCommand::Edit(edit) => edit::run(&edit).await,
        FailedCommand::Export(export) => export::run(&export).await,
        FailedCommand::Import(import) => import::run(&import).await,
    }
}

/// What came of closing a cursor. A message that cannot be kept as it should is still there, and was looked
/// at like all others: that is told, and no failure.
fn closed(closed: Result<Seen, StoreError>) -> Result<Seen, Trouble> {
    match closed {
        Err(error) if error.kind() == StoreErrorKind::NotStored => {
            say_fault(&clean(&error.to_string()));
            Ok(Seen::All)
        }
        closed => Ok(closed?),
    }
}

/// No filter hides what producers may have made up: a person is told that it is there.
fn tell_passed_over(passed_over: PassedOver) {
    if passed_over.unclear > 0 {
        say(&format!(
            "{} more not meant by that, but in doubt, for an unknown reason, or parked by the broker at a \
             time that may be made up; `garenne failed ls` without a filter lists them",
            count(passed_over.unclear, "message")
        ));
    }
    if passed_over.unread > 0 {
        say(&format!(
            "{} more not read: they came after this look had begun, or somebody else held them; run it again",
            count(passed_over.unread, "message")
        ));
    }
    if passed_over.withheld > 0 {
        say(&format!(
            "{} in doubt not sent, still stored; look with `garenne failed show --where doubt~ --limit 10`, \
             then send with --doubtful",
            count(passed_over.withheld, "message")
        ));
    }
}
