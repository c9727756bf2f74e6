//! The system: built, validated, run, watched, stopped.

mod builder;
mod built;
mod env;
mod handle;
mod logging;
mod run;

pub use builder::{BuildError, SystemBuilder};
pub use built::System;
pub use handle::SystemHandle;
pub use logging::init as init_logging;
