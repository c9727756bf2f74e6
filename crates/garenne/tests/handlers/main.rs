//! Handlers that people write: structs with an async method, and what they may return.

#[cfg(test)]
mod errors;
#[cfg(test)]
mod structs;
