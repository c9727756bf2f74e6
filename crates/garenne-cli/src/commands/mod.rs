//! What each command does.

pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod failed;
pub(crate) mod send;
pub(crate) mod topology;
