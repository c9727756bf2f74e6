//! The system: built, validated, run, watched, stopped.

mod alerting;
mod builder;
mod built;
mod checks;
mod env;
mod handle;
mod replies;
mod run;
mod sinks;
mod within;

pub use builder::SystemBuilder;
pub use built::System;
pub use handle::SystemHandle;
