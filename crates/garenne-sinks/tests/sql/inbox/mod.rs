//! What an inbox promises.

mod cases;
mod file;
