//! What the embedded broker writes, read by garenne's own reader, byte by byte.

#[cfg(test)]
mod client;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod messages;
