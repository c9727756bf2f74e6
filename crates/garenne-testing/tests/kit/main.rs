//! What the test kit promises: systems under test, single runs, and what a failed assertion says.

mod admin_pages;
mod advance;
mod complaints;
mod end;
mod orders;
mod outages;
mod performed;
mod proxy;
mod published;
mod raw;
mod runtimes;
mod settlements;
mod sinks;
