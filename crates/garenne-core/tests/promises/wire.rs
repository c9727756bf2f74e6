//! Properties as bytes: whatever somebody sends.

pub(crate) mod bytes;
mod damage;
mod depth;
mod exact;
mod lazy;
