//! The system: built, validated, run, watched, stopped.

mod alerting;
mod builder;
mod built;
mod checks;
mod consuming;
mod env;
mod error;
mod handle;
mod logging;
mod names;
mod replies;
mod run;
mod sinks;
mod within;

pub use builder::SystemBuilder;
pub use built::System;
pub(crate) use env::{broker_settings, host_name, program_name};
pub use error::BuildError;
pub use handle::SystemHandle;
pub(crate) use logging::lost as log_lines_lost;
pub use logging::{flush_logging, init as init_logging};
pub(crate) use run::links_runtime;
