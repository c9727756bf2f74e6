//! Properties as bytes: whatever somebody sends.

pub(crate) mod bytes;
pub(crate) mod damage;
mod depth;
mod exact;
mod lazy;
