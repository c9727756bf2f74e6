//! Cases on the behaviour of the broker, by area.

macro_rules! areas {
    ($($area:ident),* $(,)?) => {
        $(mod $area;)*

        pub(crate) fn cases() -> Vec<super::suite::Case> {
            [$($area::cases()),*].into_iter().flatten().collect()
        }
    };
}

areas![
    access,
    alarms,
    arguments,
    conflict,
    consume,
    content,
    cycles,
    dead_letter,
    expiry,
    frames,
    handshake,
    limits,
    missing,
    precondition,
    publish,
    queues,
    quorum,
    replies,
    routing,
    settle,
    unsupported,
];
