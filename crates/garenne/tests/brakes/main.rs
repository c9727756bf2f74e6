//! What ends a link or a channel again and again meets a brake: pauses that grow, a prefetch of 1, and a
//! log that stays short and says what to do.

#[cfg(test)]
mod at_once;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod killer;
#[cfg(test)]
mod log;
#[cfg(test)]
mod loops;
#[cfg(test)]
mod quiet;
#[cfg(test)]
mod support;
