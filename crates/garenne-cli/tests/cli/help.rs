//! What the command says of itself.

use crate::support::terminal;

/// Every command, with the width of terminal that its help is kept for.
const COMMANDS: [&str; 14] = [
    "",
    "failed",
    "failed ls",
    "failed show",
    "failed replay",
    "failed discard",
    "failed edit",
    "failed export",
    "failed import",
    "send",
    "topology",
    "doctor",
    "completions",
    "help",
];

fn plain(text: &str) -> String {
    // Escapes of colour, which are not what these tests look at.
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain + rest
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_says_what_it_is_for_in_80_columns_and_in_120() {
    for columns in [80, 120] {
        for command in COMMANDS {
            let asked = match command {
                "help" => "--version".to_owned(),
                command => format!("{command} --help"),
            };
            let ran = terminal("amqp://nowhere.invalid", columns, &asked, &[]).await;
            let help = plain(&ran.well().out);
            for line in help.lines() {
                let is_example = line.starts_with("  garenne ") || line.contains("EDITOR=");
                assert!(
                    is_example || line.chars().count() <= usize::from(columns),
                    "{columns}: {line}"
                );
            }
            let name = command.replace(' ', "-");
            insta::assert_snapshot!(format!("help-{name}-{columns}"), help);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_has_an_example_and_its_exit_codes_in_its_help() {
    for command in COMMANDS {
        if matches!(command, "" | "failed" | "help") {
            continue;
        }
        let help = terminal(
            "amqp://nowhere.invalid",
            100,
            &format!("{command} --help"),
            &[],
        )
        .await
        .out;
        assert!(
            help.contains("Example") && help.contains("Exit codes"),
            "{command}: {help}"
        );
    }
}
