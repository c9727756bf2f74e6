//! What a program says about its environment.

use garenne_testing::Signal;

use crate::support::start;

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelled_variable_is_a_faulty_configuration() {
    let mut scene = start(
        "async",
        &[
            ("GARENNE_PREFECTH", "1"),
            ("GARENNE_TLS_CA_FILE", "/ca.pem"),
        ],
    )
    .await;
    let lines = scene.lines().await;
    assert_eq!(scene.end().await, Some(78));
    let names = ["`GARENNE_PREFETCH`", "`GARENNE_TLS_CA`"];
    for name in names {
        let told = lines.iter().filter(|line| {
            line.starts_with("garenne: faulty configuration") && line.contains(name)
        });
        assert_eq!(told.count(), 1, "{lines:#?}");
    }
    assert!(
        !lines.iter().any(|line| line.contains("/ca.pem")),
        "{lines:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strange_variable_and_a_broken_filter_are_told_and_the_program_runs() {
    let env = [
        ("GARENNE_TEAM", "garlic"),
        ("RUST_LOG", "inof"),
        ("GARENNE_LOG", "json"),
    ];
    let mut scene = start("sync", &env).await;
    scene.consumes().await;
    scene.program.signal(Signal::TERM);
    let lines = scene.lines().await;
    assert_eq!(scene.end().await, Some(0));
    let one = |event: &str, text: &str| {
        let told = crate::support::events(&lines, event);
        assert_eq!(told.len(), 1, "{lines:#?}");
        assert!(
            told[0]["message"]
                .as_str()
                .is_some_and(|told| told.contains(text)),
            "{told:?}"
        );
    };
    one("unknown_variable", "GARENNE_TEAM");
    one("log_filter", "`info`");
    assert!(
        !crate::support::events(&lines, "consuming").is_empty(),
        "the default is logged"
    );
}
