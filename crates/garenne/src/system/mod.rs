//! The system: built, validated, run, watched, stopped.

mod builder;
mod env;
mod handle;
mod logging;
mod run;

pub use builder::{BuildError, System, SystemBuilder};
pub use handle::SystemHandle;
pub use logging::init as init_logging;
