//! The project's own commands. It must not depend on the crates that it checks.
//!
//! ```text
//! cargo xtask test          everything: format, lints, tests, documents, real brokers
//! cargo xtask test --fast   without the tests that need a real broker
//! cargo xtask tidy          what can be checked by a program
//! ```
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command talks to whoever runs it"
)]

mod install;
mod steps;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask test [--fast] | cargo xtask tidy";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["test"] => test::everything(),
        ["test", "--fast"] => test::fast(),
        ["tidy"] => tidy::check(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(format!(
            "unknown command `{}`; {USAGE}",
            arguments.join(" ")
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
