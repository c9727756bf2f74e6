//! The method takes the body alone.

use garenne::prelude::*;

struct Charge;

impl Handle<Text> for Charge {
    async fn handle(&self, _: Text) -> Result<(), Failure> {
        Ok(())
    }
}

fn main() {}
