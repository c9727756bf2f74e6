//! The project's own commands. It must not depend on the crates that it checks, but for the plan of the
//! benchmark, which has that one's command line.
//!
//! ```text
//! cargo xtask test                everything: format, lints, documents, tests, real brokers
//! cargo xtask test --fast         without the tests that need a real broker
//! cargo xtask test --rabbitmq 4   the tests that need a real broker, on RabbitMQ 4
//! cargo xtask rabbitmq4           RabbitMQ 4 in a root folder of its own: target/rabbitmq4
//! cargo xtask interop             clients of others on the embedded broker and on RabbitMQ 4, compared
//! cargo xtask bench               garenne and other consumers, measured side by side
//! cargo xtask tidy                what can be checked by a program
//! cargo xtask circle [FOLDER]     the largest circle of imports, here or in another copy of the project
//! cargo xtask deny                licences, crates and sources of what is depended on
//! ```
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command talks to whoever runs it"
)]

mod bench;
mod bench_guests;
mod deny;
mod install;
mod interop;
mod programs;
mod rabbitmq4;
mod steps;
mod test;
mod tidy;
mod watch;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask test [--fast | --rabbitmq 3 | --rabbitmq 4] | \
                     cargo xtask rabbitmq4 [FOLDER] | cargo xtask interop [--rabbitmq 3 | --rabbitmq 4] | \
                     cargo xtask bench [OPTIONS; see --help] | cargo xtask tidy | \
                     cargo xtask circle [FOLDER] | cargo xtask deny";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["test"] => test::everything(),
        ["test", "--fast"] => test::fast(),
        ["test", "--rabbitmq", "3"] => test::on_rabbitmq_3(),
        ["test", "--rabbitmq", "4"] => test::on_rabbitmq_4(),
        ["rabbitmq4"] => rabbitmq4::prepare(&rabbitmq4::folder()),
        ["rabbitmq4", folder] if !folder.starts_with('-') => rabbitmq4::prepare(Path::new(folder)),
        ["interop"] | ["interop", "--rabbitmq", "4"] => interop::run(interop::Rabbit::V4),
        ["interop", "--rabbitmq", "3"] => interop::run(interop::Rabbit::V3),
        ["bench", ref options @ ..] => bench::run(options),
        ["tidy"] => tidy::check(),
        ["circle"] => tidy::show_circle(None),
        ["circle", project] => tidy::show_circle(Some(project)),
        ["deny"] => deny::check(),
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
