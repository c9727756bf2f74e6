//! What consuming promises, shown on the embedded broker: its faults are in the tests' hands.

#[cfg(test)]
mod acks;
#[cfg(test)]
mod losses;
#[cfg(test)]
mod much_at_once;
#[cfg(test)]
mod stragglers;
#[cfg(test)]
mod support;
