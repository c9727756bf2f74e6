//! The factory holds what cannot be sent to the threads of the workers.

use std::rc::Rc;

use garenne::prelude::*;

struct Charge(Rc<String>);

impl Handle<Text> for Charge {
    async fn handle(&self, _: Delivery<Text>) -> Result<(), Failure> {
        println!("{}", self.0);
        Ok(())
    }
}

fn main() {
    let tariff = Rc::new(String::new());
    let charge = move || Charge(Rc::clone(&tariff));
    SystemBuilder::from_env().consume(Queue::quorum("orders"), charge).run();
}
