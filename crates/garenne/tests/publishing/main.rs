//! What a publisher promises, shown on the embedded broker: its time and its faults are in the tests'
//! hands.

#[cfg(test)]
mod abandoned;
#[cfg(test)]
mod declaring;
#[cfg(test)]
mod down;
#[cfg(test)]
mod many;
#[cfg(test)]
mod outgoing;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod storms;
#[cfg(test)]
mod support;
