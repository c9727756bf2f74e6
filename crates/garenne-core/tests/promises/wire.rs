//! Properties as bytes: whatever somebody sends.

mod bytes;
mod damage;
mod depth;
mod exact;
mod lazy;
