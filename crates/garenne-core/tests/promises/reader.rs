//! What a broker sends over a link, cut anywhere, damaged anyhow.

mod any;
mod broken;
mod cuts;
mod damage;
mod order;
pub(crate) mod seen;
mod sizes;
mod strangers;
pub(crate) mod stream;
