//! A TCP proxy that misbehaves on demand.

mod door;
mod handle;
mod pipe;
mod shared;

pub use handle::FaultProxy;
pub use shared::Direction;
