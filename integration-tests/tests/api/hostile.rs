//! Messages that no client library writes and perhaps none reads: each costs nobody but itself.
//!
//! | part | what it is |
//! |---|---|
//! | [`odd`] | one such message, as bytes, and what of it must outlive every copy |
//! | [`harms_neither_link_nor_neighbour`] | the kinds, one test each |
//! | [`scene`] | what happens in such a test: good messages in hand, the odd one among them |
//! | [`desk`] | the handler, and what it saw |
//! | [`command`] | what `garenne failed` makes of it afterwards |
//! | [`broker`] | the broker itself loses nothing of them: what is lost, garenne has lost |
//! | [`process`] | some of them sent to `order-service`, which must live |

mod broker;
mod command;
mod desk;
mod harms_neither_link_nor_neighbour;
mod odd;
mod process;
mod scene;
