//! The engine without sockets: every test decides what comes when.

mod client;
mod fuzz;
mod order;
mod rules;
mod shared_room;
mod unreadable;
