//! The error type neither implements `std::error::Error` nor becomes a `Failure`.

use garenne::prelude::*;

enum ChargeError {
    Declined,
}

struct Charge;

impl Handle<Text, ChargeError> for Charge {
    async fn handle(&self, _: Delivery<Text>) -> Result<(), ChargeError> {
        Err(ChargeError::Declined)
    }
}

fn main() {}
