//! What a producer makes up about his message, who may write to one exchange and to nothing else.
//!
//! | part | what is shown |
//! |---|---|
//! | [`stage`] | the producer, his exchange, and what he makes up |
//! | [`parked`] | nobody reads the queue, and the broker moves it into the parking queue: it belongs there |
//! | [`heard`] | a handler gets it, and hears what the broker says |
//! | [`kept`] | looking into a parking queue changes nothing, whatever lies there |

mod heard;
mod kept;
mod parked;
mod stage;
