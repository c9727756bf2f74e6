//! Why a system, or a publisher, cannot be built.

use std::fmt;

use garenne_core::{Fault, StopReason, readable};

/// All faults of the configuration of a system, or of a publisher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    pub(crate) faults: Vec<Fault>,
}

impl BuildError {
    pub(crate) fn unless_empty(faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Self { faults })
        }
    }

    /// Every fault; at least one.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            // A value may contain any characters, and `main` prints it.
            f.write_str(&readable(fault.to_string().as_bytes()))?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

impl From<BuildError> for StopReason {
    fn from(error: BuildError) -> Self {
        Self::Configuration(error.to_string())
    }
}
