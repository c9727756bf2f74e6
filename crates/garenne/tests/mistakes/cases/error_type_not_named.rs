//! The method returns another error than `Failure`, and the trait is not told.

use garenne::prelude::*;

struct Charge;

impl Handle<Text> for Charge {
    async fn handle(&self, _: Delivery<Text>) -> Result<(), PublishError> {
        Ok(())
    }
}

fn main() {}
