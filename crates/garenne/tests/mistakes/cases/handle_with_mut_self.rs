//! The method wants to change the struct: many messages are handled at once.

use garenne::prelude::*;

struct Charge {
    count: u64,
}

impl Handle<Text> for Charge {
    async fn handle(&mut self, _: Delivery<Text>) -> Result<(), Failure> {
        self.count += 1;
        Ok(())
    }
}

fn main() {}
