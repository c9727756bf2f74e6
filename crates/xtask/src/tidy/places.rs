//! What only some files may have.

mod rules;

use super::source::{Source, places_of};
use rules::{RULES, Rule, Tests};

/// Everything that stands where it may not, and every file in the table that has nothing of what it may have.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let all = RULES.iter().flat_map(|rule| faults_of(rule, sources));
    all.collect()
}

fn faults_of(rule: &Rule, sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut unused: Vec<&str> = rule.only.to_vec();
    let meant = sources.iter().filter(|source| rule.looks_at(source));
    for source in meant {
        for pattern in rule.patterns {
            for at in places_of(pattern, rule.code_of(source)) {
                let allowed = rule
                    .only
                    .iter()
                    .find(|only| source.name.starts_with(**only));
                match allowed {
                    Some(only) => unused.retain(|unused| unused != only),
                    None => faults.push(format!(
                        "{}:{} has `{pattern}`, which only {} may have: {}",
                        source.name,
                        source.line_of(at),
                        rule.who_may(),
                        rule.why
                    )),
                }
            }
        }
    }
    faults.extend(unused.iter().map(|file| {
        format!(
            "the table of places lets {file} have `{}`, and it has none: take it out",
            rule.patterns[0]
        )
    }));
    faults
}

impl Rule {
    fn looks_at(&self, source: &Source) -> bool {
        let is_meant = self
            .within
            .iter()
            .any(|within| source.name.starts_with(within));
        is_meant
            && match self.tests {
                Tests::May => !source.is_test(),
                Tests::MayNot => true,
                Tests::AloneMayNot => is_for_tests(source),
            }
    }

    fn code_of<'a>(&self, source: &'a Source) -> &'a str {
        match self.tests {
            Tests::May => &source.shipped,
            Tests::MayNot | Tests::AloneMayNot => &source.code,
        }
    }

    fn who_may(&self) -> String {
        if self.only.is_empty() {
            "nobody".to_owned()
        } else {
            self.only.join(", ")
        }
    }
}

/// Whether a file is a test, or what tests are made with.
fn is_for_tests(source: &Source) -> bool {
    let folders = ["integration-tests/", "crates/garenne-testing/"];
    source.is_test() || folders.iter().any(|folder| source.name.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str, text: &str) -> Vec<String> {
        let sources = [Source::new(name.to_owned(), text.to_owned())];
        let found = check(&sources).into_iter();
        // One file has little of what the table allows.
        found
            .filter(|fault| !fault.starts_with("the table"))
            .collect()
    }

    fn assert_found(name: &str, text: &str) {
        assert_eq!(faults(name, text).len(), 1, "{name}: {text}");
    }

    fn assert_allowed(name: &str, text: &str) {
        assert_eq!(faults(name, text), [""; 0], "{name}: {text}");
    }

    const LIFE: &str = "crates/garenne/src/consumer/life.rs";

    #[test]
    fn an_ack_outside_its_file_is_found() {
        let settles = "    writer.settle(&acks, &[]);\n";
        assert_found(LIFE, settles);
        assert_allowed("crates/garenne/src/consumer/acks.rs", settles);
        assert_found(LIFE, "    Ok(Settled::Ack)\n");
        assert_allowed(
            "crates/garenne/src/consumer/settle.rs",
            "    Ok(Settled::Ack)\n",
        );
        let past_the_reader = "    channel.basic_ack(tag, options).await?;\n";
        assert_found(LIFE, past_the_reader);
        assert_found("crates/garenne/src/consumer/acks.rs", past_the_reader);
    }

    #[test]
    fn whoever_publishes_dials_or_reads_a_variable_must_be_one_who_may() {
        for (text, who_may) in [
            (
                "self.port.writer().publish(message);",
                "crates/garenne/src/publish/session.rs",
            ),
            (
                "channel.basic_publish(a, b);",
                "crates/garenne/src/link/io/port.rs",
            ),
            (
                "Connection::connector(a, b);",
                "crates/garenne/src/link/dial.rs",
            ),
            (
                "std::env::var(\"AMQP_URL\");",
                "crates/garenne/src/environment.rs",
            ),
            ("std::env::vars_os();", "crates/garenne/src/environment.rs"),
            ("let now = Instant::now();", "crates/garenne/src/quiet.rs"),
        ] {
            assert_found(LIFE, text);
            assert_allowed(who_may, text);
        }
        assert_allowed(LIFE, "std::env::temp_dir();");
    }

    #[test]
    fn the_crate_that_decides_reads_no_clock_in_its_tests_either() {
        for text in ["Instant::now();", "SystemTime::now();"] {
            assert_found("crates/garenne-core/src/outage.rs", text);
            assert_found("crates/garenne-core/tests/promises/outage.rs", text);
        }
        assert_allowed("crates/garenne-core/src/outage.rs", "// Instant::now()");
    }

    #[test]
    fn unsafe_code_and_threads_that_sleep_are_found() {
        assert_found("integration-tests/tests/x.rs", "unsafe { f() }");
        assert_allowed("integration-tests/tests/x.rs", "#![forbid(unsafe_code)]");
        assert_found(LIFE, "std::thread::sleep(d);");
        assert_allowed(LIFE, "tokio::time::sleep(d).await;");
    }

    #[test]
    fn a_sleep_in_a_test_is_found_and_a_comment_about_one_is_not() {
        let sleeps = "tokio::time::sleep(d).await;";
        assert_found("integration-tests/tests/x.rs", sleeps);
        assert_found("crates/garenne/tests/x/main.rs", sleeps);
        assert_allowed("integration-tests/tests/x.rs", "// no sleep( here");
        assert_allowed("crates/garenne-testing/src/wait.rs", sleeps);
    }

    #[test]
    fn whoever_prints_must_be_one_who_may() {
        let out = "    let mut out = std::io::stdout().lock();\n";
        for name in [LIFE, "examples/quickstart/src/other.rs"] {
            assert_found(name, out);
            assert_found(name, "    eprintln!(\"x\");\n");
            assert_allowed(name, "    /// println!(\"x\");\n");
        }
        assert_allowed("examples/quickstart/src/main.rs", out);
        assert_found("examples/quickstart/src/main.rs", "println!(\"x\");");
        assert_allowed("crates/garenne/tests/x/main.rs", out);
    }

    #[test]
    fn a_file_that_may_and_does_not_is_told_so() {
        let told = check(&[]);
        let is_told = |file: &str| told.iter().any(|fault| fault.contains(file));
        assert!(is_told(
            "crates/garenne/src/link/dial.rs have `Connection::connect`"
        ));
    }
}
