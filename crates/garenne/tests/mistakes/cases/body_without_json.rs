//! The body is a type that derives `Deserialize`, and `Json` around it is forgotten.

use garenne::prelude::*;

#[derive(serde::Deserialize)]
struct Order;

struct Charge;

impl Handle<Order> for Charge {
    async fn handle(&self, _: Delivery<Order>) -> Result<(), Failure> {
        Ok(())
    }
}

fn main() {}
