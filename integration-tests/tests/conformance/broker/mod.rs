//! Cases on the behaviour of the broker, by area.

use super::case::Case;

mod access;
mod alarms;
mod alternates;
mod arguments;
mod conflict;
mod consume;
mod content;
mod counts;
mod cycles;
mod dead_letter;
mod expiry;
mod fleeting;
mod frames;
mod handshake;
mod headers_exchanges;
mod large_headers;
mod limits;
mod missing;
mod precondition;
mod prefetch;
mod publish;
mod queues;
mod quorum;
mod replies;
mod routing;
mod settle;
mod single_active;
mod unreadable;
mod unreadable_ways;
mod unsupported;

pub(crate) fn cases() -> Vec<Case> {
    let areas = [
        access::cases(),
        alarms::cases(),
        alternates::cases(),
        arguments::cases(),
        conflict::cases(),
        consume::cases(),
        content::cases(),
        counts::cases(),
        cycles::cases(),
        dead_letter::cases(),
        expiry::cases(),
        fleeting::cases(),
        frames::cases(),
        handshake::cases(),
        headers_exchanges::cases(),
        large_headers::cases(),
        limits::cases(),
        missing::cases(),
        precondition::cases(),
        prefetch::cases(),
        publish::cases(),
        queues::cases(),
        quorum::cases(),
        replies::cases(),
        routing::cases(),
        settle::cases(),
        single_active::cases(),
        unreadable::cases(),
        unreadable_ways::cases(),
        unsupported::cases(),
    ];
    areas.into_iter().flatten().collect()
}
