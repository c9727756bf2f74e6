//! The system: built, validated, run, watched, stopped.

mod builder;
mod built;
mod env;
mod error;
mod handle;
mod logging;
mod run;

pub use builder::SystemBuilder;
pub use built::System;
pub use error::BuildError;
pub use handle::SystemHandle;
pub use logging::init as init_logging;
