//! `garenne failed`.

mod discard;
mod edit;
mod export;
mod import;
mod ls;
mod replay;
mod show;

use crate::args::FailedCommand;
use crate::exit::{Done, Trouble};

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
