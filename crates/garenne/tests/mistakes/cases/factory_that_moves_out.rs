//! The factory gives away what it needs for the next handler.

use garenne::prelude::*;

struct Charge(String);

impl Handle<Text> for Charge {
    async fn handle(&self, _: Delivery<Text>) -> Result<(), Failure> {
        println!("{}", self.0);
        Ok(())
    }
}

fn main() {
    let tariff = String::new();
    SystemBuilder::from_env().consume(Queue::quorum("orders"), move || Charge(tariff)).run();
}
