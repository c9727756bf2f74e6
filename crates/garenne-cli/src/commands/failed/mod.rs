//! `garenne failed`.

mod discard;
mod edit;
mod export;
mod import;
mod ls;
mod replay;
mod show;

use garenne::failed::PassedOver;

use crate::args::FailedCommand;
use crate::exit::{Done, Trouble, say};
use crate::output::count;

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

/// No filter hides what producers may have made up: a person is told that it is there.
fn tell_passed_over(passed_over: PassedOver) {
    if passed_over.unclear > 0 {
        say(&format!(
            "{} more not meant by that, in doubt or for an unknown reason; `garenne failed ls` with \
             --where doubt~ or --reason unknown lists them",
            count(passed_over.unclear, "message")
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
