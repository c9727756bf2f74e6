//! Queues that somebody else has declared, with arguments of their own.

mod gone;
mod made;
mod page;
mod shared;
mod streams;
mod waiting;
