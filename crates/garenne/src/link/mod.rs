//! Links: AMQP connections, each with a purpose, an epoch and a watcher.

mod address;
mod adopt;
mod advice;
mod call;
mod candidates;
mod connection;
mod declare;
mod destination;
mod dial;
mod difference;
mod error;
mod greeting;
mod inspect;
mod io;
mod keeper;
mod levels;
mod loss;
mod parameters;
mod restore;
mod runtime;
mod solo;
mod state;
mod tls;
mod visit;
mod watch;

pub use address::BrokerUrl;
pub(crate) use address::plain_text_faults;
pub(crate) use adopt::{Consumers, find_out};
pub use adopt::{is_usable, risks};
pub(crate) use call::call;
pub(crate) use connection::{CLOSE_TIMEOUT, Link, LinkWatch, Purpose};
pub(crate) use declare::{
    Load, declare_entities, declare_lane, declare_one, declare_queue, declare_topology, load,
    message_count,
};
pub(crate) use destination::Destination;
pub use difference::Difference;
pub(crate) use error::{Cause, Kind, LinkError, timed_out};
pub use greeting::ServerInfo;
pub(crate) use greeting::greeting;
pub use inspect::Finding;
pub(crate) use inspect::inspect;
pub(crate) use io::{Incoming, Port, Publish, Subscription, Writer};
pub(crate) use keeper::{Happened, Keeper, KeptLink, Prepare};
pub(crate) use levels::{bind_destination, declare_levels};
pub(crate) use loss::Loss;
pub(crate) use parameters::is_contents;
pub(crate) use restore::{restore, restore_gone};
pub(crate) use runtime::links_runtime;
pub use state::LinkState;
pub use tls::Tls;
pub(crate) use visit::{Access, Visit};
pub(crate) use watch::{LinkEvent, LinkNews};
