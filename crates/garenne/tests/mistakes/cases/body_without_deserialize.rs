//! The type in `Json` does not derive `Deserialize`.

use garenne::prelude::*;

struct Order;

struct Charge;

impl Handle<Json<Order>> for Charge {
    async fn handle(&self, _: Delivery<Json<Order>>) -> Result<(), Failure> {
        Ok(())
    }
}

fn main() {}
