//! Rules of this project that a program can check.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps::root;

/// A file that is longer holds two things.
const MAX_LINES: usize = 400;

/// Who may settle a delivery with the broker: the one task of a consumer's channel, and the reader of
/// parking queues.
const MAY_ACK: [&str; 3] = [
    "crates/garenne/src/consumer/acks.rs",
    "crates/garenne/src/failed/cursor.rs",
    "crates/garenne/src/failed/giving_back.rs",
];

/// What settles a delivery.
const SETTLES: [&str; 4] = [
    "writer.settle(",
    "writer().settle(",
    "writer.give_back_all(",
    "writer().give_back_all(",
];

/// The file with what reaches the broker about a message, and the calls of the client library that would
/// do it behind the reader's back.
const PORT: &str = "crates/garenne/src/link/io/port.rs";
const OF_THE_CLIENT: [&str; 5] = [
    "basic_ack(",
    "basic_nack(",
    "basic_reject(",
    "basic_publish(",
    "basic_get(",
];

/// What the crate that decides must not know.
const PURE: [&str; 6] = ["tokio", "actix", "actix-rt", "lapin", "rand", "fastrand"];

/// Where tests may sleep: in the one helper that waits for a condition, and in handlers under test
/// that take their time; and in programs that are measured, which wait as programs do.
const MAY_SLEEP: [&str; 6] = [
    "crates/garenne-testing/src/wait.rs",
    "crates/garenne-testing/tests/kit/performed.rs",
    "examples/testing-your-handler/tests/bank/mod.rs",
    "integration-tests/peers/garenne/src/charge.rs",
    "integration-tests/peers/lapin/src/order.rs",
    "integration-tests/peers/lapin/src/recover.rs",
];

/// Who may write to a standard stream, or ask what it is. Whoever reads it may stall or be gone, and what is
/// written may hold what a stranger wrote: these know.
const MAY_PRINT: [&str; 13] = [
    "crates/garenne/src/logging.rs",
    "crates/garenne/src/logging/stderr.rs",
    "crates/garenne-broker/src/bin/garenne-broker/main.rs",
    "crates/garenne-cli/src/commands/failed/export.rs",
    "crates/garenne-cli/src/output/progress.rs",
    "crates/garenne-cli/src/output/screen.rs",
    "crates/garenne-cli/src/secrets.rs",
    "crates/garenne-testing/examples/rabbit-node.rs",
    "examples/failed-orders/src/main.rs",
    "examples/golang-rabbitmq/src/shared.rs",
    "examples/order-service/src/orders.rs",
    "examples/producer/src/main.rs",
    "examples/quickstart/src/main.rs",
];

/// What writes to a standard stream; and what panics when nobody reads it, which nothing may.
const STREAMS: [&str; 2] = ["stdout()", "stderr()"];
const PRINTS: [&str; 4] = ["eprintln!(", "eprint!(", "println!(", "print!("];

/// Programs that measure: a person looks on, or nothing is lost.
const MEASURES: [&str; 3] = [
    "crates/garenne/examples/",
    "crates/garenne-broker/examples/",
    "crates/xtask/",
];

/// The file that knows the names of the variables that garenne reads.
const NAMES: &str = "crates/garenne/src/environment/names.rs";

/// Checks every rule and tells all that is against them.
pub(crate) fn check() -> Result<(), String> {
    let mut faults = Vec::new();
    let known =
        fs::read_to_string(root().join(NAMES)).map_err(|e| format!("cannot read {NAMES}: {e}"))?;
    for file in rust_files(&root()) {
        let name = file
            .strip_prefix(root())
            .unwrap_or(&file)
            .display()
            .to_string();
        let text = fs::read_to_string(&file).map_err(|e| format!("cannot read {name}: {e}"))?;
        faults.extend(look_at(&name, &text));
        faults.extend(unknown_variables(&name, &text, &known));
    }
    faults.extend(impure_dependencies()?);
    faults.extend(undocumented_examples()?);
    faults.extend(made_and_kept(&tracked_files()));
    if faults.is_empty() {
        Ok(())
    } else {
        Err(format!("\n  {}", faults.join("\n  ")))
    }
}

fn look_at(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        faults.push(format!(
            "{name} has {lines} lines; split it where it does two things ({MAX_LINES} at most)"
        ));
    }
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let number = number + 1;
        let calls = |calls: &[&str]| calls.iter().any(|call| code.contains(call));
        let in_garenne = name.starts_with("crates/garenne/src/") && name != PORT;
        if in_garenne && calls(&SETTLES) && !MAY_ACK.contains(&name) {
            faults.push(format!(
                "{name}:{number} settles a delivery; only {} may",
                MAY_ACK.join(", ")
            ));
        }
        if in_garenne && calls(&OF_THE_CLIENT) {
            faults.push(format!(
                "{name}:{number} has the client library see a message; only {PORT} speaks of messages to the broker"
            ));
        }
        if prints(name, code) {
            faults.push(format!(
                "{name}:{number} writes to a standard stream; logs, `Screen`, `say` and the like know what a closed one, and a \
                 stranger's text, can do"
            ));
        }
        let in_tests = ["integration-tests/", "crates/garenne-testing/"]
            .iter()
            .any(|folder| name.starts_with(folder))
            || name.contains("/tests/");
        if in_tests && code.contains("sleep(") && !MAY_SLEEP.contains(&name) {
            faults.push(format!(
                "{name}:{number} sleeps; wait for an event or a condition with a deadline"
            ));
        }
    }
    faults
}

fn prints(name: &str, code: &str) -> bool {
    let is_ours = ["crates/", "examples/"]
        .iter()
        .any(|folder| name.starts_with(folder));
    let is_test = name.contains("/tests/") || name.ends_with("tests.rs");
    if !is_ours || is_test || MEASURES.iter().any(|folder| name.starts_with(folder)) {
        return false;
    }
    let has = |what: &[&str]| what.iter().any(|call| code.contains(call));
    has(&PRINTS) || (has(&STREAMS) && !MAY_PRINT.contains(&name))
}

/// Variables that a crate reads and that the list of names does not have: a service would warn of them.
fn unknown_variables(name: &str, text: &str, known: &str) -> Vec<String> {
    let reads = [
        "garenne/",
        "garenne-core/",
        "garenne-sinks/",
        "garenne-cli/",
    ];
    let is_source = |krate: &&str| name.starts_with(&format!("crates/{krate}src/"));
    if name == NAMES || !reads.iter().any(is_source) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for literal in text.split("\"GARENNE_").skip(1) {
        let Some((rest, _)) = literal.split_once('"') else {
            continue;
        };
        let is_name = rest
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if is_name && !known.contains(&format!("\"GARENNE_{rest}\"")) {
            faults.push(format!(
                "{name} reads GARENNE_{rest}, which {NAMES} does not know"
            ));
        }
    }
    faults
}

fn impure_dependencies() -> Result<Vec<String>, String> {
    let manifest = "crates/garenne-core/Cargo.toml";
    let text = fs::read_to_string(root().join(manifest))
        .map_err(|e| format!("cannot read {manifest}: {e}"))?;
    let dependencies = text
        .split("[dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next());
    let names = dependencies
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next());
    let impure = names.filter(|name| PURE.contains(name));
    Ok(impure
        .map(|name| format!("{manifest} depends on {name}; this crate only decides"))
        .collect())
}

fn undocumented_examples() -> Result<Vec<String>, String> {
    let folder = root().join("examples");
    let entries =
        fs::read_dir(&folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    let mut faults = Vec::new();
    for example in entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
    {
        let documented = ["src/main.rs", "src/lib.rs"].iter().any(|file| {
            fs::read_to_string(example.join(file)).is_ok_and(|text| text.starts_with("//! "))
        });
        if !documented {
            faults.push(format!("{} does not say what it shows", example.display()));
        }
    }
    Ok(faults)
}

/// What git keeps; nothing where the project was unpacked without it.
fn tracked_files() -> String {
    let listed = Command::new("git")
        .arg("ls-files")
        .current_dir(root())
        .output();
    listed.map_or_else(
        |_| String::new(),
        |listed| String::from_utf8_lossy(&listed.stdout).into_owned(),
    )
}

/// What a build makes is large, and stays in the history for ever.
fn made_and_kept(tracked: &str) -> Option<String> {
    let made = |file: &&str| file.starts_with("target/") || file.contains("/target/");
    let first = tracked.lines().find(made)?;
    let number = tracked.lines().filter(made).count();
    Some(format!(
        "git keeps {number} files that a build made, {first} the first of them: git rm -r --cached"
    ))
}

/// Every Rust file of the project, without what cargo makes.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
    {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_outside_its_file_is_found() {
        let line = "    writer.settle(&acks, &[]);\n";
        let life = "crates/garenne/src/consumer/life.rs";
        assert_eq!(look_at(life, line).len(), 1);
        assert!(look_at(MAY_ACK[0], line).is_empty());
        let past_the_reader = "    channel.basic_ack(tag, options).await?;\n";
        assert_eq!(look_at(life, past_the_reader).len(), 1);
        assert_eq!(look_at(MAY_ACK[0], past_the_reader).len(), 1);
    }

    #[test]
    fn a_sleep_in_a_test_is_found_and_a_comment_about_one_is_not() {
        assert_eq!(
            look_at(
                "integration-tests/tests/x.rs",
                "tokio::time::sleep(d).await;"
            )
            .len(),
            1
        );
        assert!(look_at("integration-tests/tests/x.rs", "// no sleep( here").is_empty());
    }

    #[test]
    fn whoever_prints_must_be_one_who_may() {
        let out = "    let mut out = std::io::stdout().lock();\n";
        for name in [
            "crates/garenne/src/consumer/life.rs",
            "examples/quickstart/src/other.rs",
        ] {
            assert_eq!(look_at(name, out).len(), 1, "{name}");
            assert_eq!(look_at(name, "    eprintln!(\"x\");\n").len(), 1, "{name}");
            assert!(
                look_at(name, "    /// println!(\"x\");\n").is_empty(),
                "{name}"
            );
        }
        assert!(look_at("examples/quickstart/src/main.rs", out).is_empty());
        assert_eq!(
            look_at("examples/quickstart/src/main.rs", "println!(\"x\");").len(),
            1
        );
        assert!(look_at("crates/garenne/tests/x/main.rs", out).is_empty());
    }

    #[test]
    fn a_variable_that_is_read_and_not_listed_is_found() {
        let code = "let x = read(faults, \"GARENNE_NEW\"); // and \"GARENNE_LOG\"";
        let source = "crates/garenne/src/environment.rs";
        assert_eq!(unknown_variables(source, code, "\"GARENNE_LOG\"").len(), 1);
        assert!(unknown_variables(source, code, "\"GARENNE_LOG\" \"GARENNE_NEW\"").is_empty());
    }

    #[test]
    fn what_a_build_made_is_not_to_be_kept() {
        let tracked = "a/src/lib.rs\na/target/x\ntarget/y\nb/targets.rs\n";
        let fault = made_and_kept(tracked).expect("two of them");
        assert!(fault.contains("2 files") && fault.contains("a/target/x"));
        assert_eq!(made_and_kept("b/targets.rs\nb/my-target/x\n"), None);
    }

    #[test]
    fn a_long_file_is_found() {
        for name in ["crates/x/src/y.rs", "integration-tests/tests/y.rs"] {
            assert_eq!(look_at(name, &"\n".repeat(MAX_LINES + 1)).len(), 1);
            assert!(look_at(name, &"\n".repeat(MAX_LINES)).is_empty());
        }
    }
}
