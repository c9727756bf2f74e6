//! The method returns nothing.

use garenne::prelude::*;

struct Charge;

impl Handle<Text> for Charge {
    async fn handle(&self, order: Delivery<Text>) {
        println!("charged {}", order.body().0);
    }
}

fn main() {}
