//! Cases on the behaviour of the broker, by area.

use super::case::Case;

mod access;
mod alarms;
mod arguments;
mod conflict;
mod consume;
mod content;
mod counts;
mod cycles;
mod dead_letter;
mod expiry;
mod frames;
mod handshake;
mod limits;
mod missing;
mod precondition;
mod publish;
mod queues;
mod quorum;
mod replies;
mod routing;
mod settle;
mod unsupported;

pub(crate) fn cases() -> Vec<Case> {
    let areas = [
        access::cases(),
        alarms::cases(),
        arguments::cases(),
        conflict::cases(),
        consume::cases(),
        content::cases(),
        counts::cases(),
        cycles::cases(),
        dead_letter::cases(),
        expiry::cases(),
        frames::cases(),
        handshake::cases(),
        limits::cases(),
        missing::cases(),
        precondition::cases(),
        publish::cases(),
        queues::cases(),
        quorum::cases(),
        replies::cases(),
        routing::cases(),
        settle::cases(),
        unsupported::cases(),
    ];
    areas.into_iter().flatten().collect()
}
