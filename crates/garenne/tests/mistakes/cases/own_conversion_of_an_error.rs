//! An error type that implements `std::error::Error` has a conversion of its own.

use std::fmt;

use garenne::prelude::*;

#[derive(Debug)]
struct Declined;

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("declined")
    }
}

impl std::error::Error for Declined {}

impl From<Declined> for Failure {
    fn from(_: Declined) -> Self {
        Failure::permanent("declined")
    }
}

fn main() {}
