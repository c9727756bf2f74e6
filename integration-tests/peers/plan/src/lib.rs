//! What is measured, who takes part, and how it is told: everything about the measurement that does
//! not measure. It must not do any I/O; `cargo xtask bench` reads its command line with it before it
//! builds anything, and the runner measures by it.

mod axis;
mod case;
mod contender;
mod options;
mod quantity;
mod results;
mod table;
mod targets;

pub use axis::{Act, Axis};
pub use case::{Case, Kind};
pub use contender::{Contender, Format};
pub use options::{Mode, Options};
pub use quantity::{Quantity, Sample, percentile};
pub use results::Results;
pub use table::of_axis;
pub use targets::report;
