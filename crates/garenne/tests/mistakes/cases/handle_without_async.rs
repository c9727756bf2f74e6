//! The method is not async.

use garenne::prelude::*;

struct Charge;

impl Handle<Text> for Charge {
    fn handle(&self, _: Delivery<Text>) -> Result<(), Failure> {
        Ok(())
    }
}

fn main() {}
