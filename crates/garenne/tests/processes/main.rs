//! A program built on garenne, as a process: what it says on standard error, to whoever reads it or does not,
//! and what signals do to it.

#[cfg(test)]
mod logs;
#[cfg(test)]
mod program;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod support;
