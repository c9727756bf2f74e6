//! Alerts by HTTP: robots in chat rooms, and whatever takes JSON.
//!
//! | file | does |
//! |---|---|
//! | `alert.rs` | what a user says about a webhook, and what is wrong with it |
//! | `kind.rs` | the services: their limits, their names |
//! | `body.rs`, `sign.rs`, `template.rs` | what is sent |
//! | `answer.rs` | what was answered: told, or why not and what to do |
//! | `actor.rs`, `http.rs` | sending it |
//! | `secret.rs` | keeping the address out of every text |

mod actor;
mod alert;
mod answer;
mod body;
mod http;
mod inert;
mod kind;
mod secret;
mod sign;
mod template;

pub use alert::WebhookAlert;
