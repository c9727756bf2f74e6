//! What is read is what was stored.

use garenne::core::{FailReason, FailedMessage};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::{all, any_record, insert, record, store};

/// Whatever is in body, properties, headers and texts, for every reason.
pub(crate) async fn every_record_comes_back(url: &str) {
    let store = store(url);
    let mut runner = TestRunner::default();
    let tree = |_| any_record().new_tree(&mut runner).unwrap().current();
    let mut records: Vec<FailedMessage> = (0..300).map(tree).collect();
    for (n, record) in records.iter_mut().enumerate() {
        // Two small ones could be alike, and then be one.
        record.queue.push_str(&n.to_string());
    }
    for reason in [
        "exhausted",
        "permanent",
        "undecodable",
        "panic",
        "deadline",
        "delivery-limit",
    ] {
        let reason: FailReason = reason.parse().unwrap();
        assert!(records.iter().any(|record| record.reason == reason));
    }
    let mut rest = records.as_slice();
    for size in (1..40).cycle() {
        let (some, others) = rest.split_at(size.min(rest.len()));
        assert_eq!(insert(&store, some).await.new, some.len() as u64);
        rest = others;
        if rest.is_empty() {
            break;
        }
    }
    let back = all(&store).await;
    assert_eq!(back.len(), records.len());
    for (back, record) in back.iter().zip(&records) {
        assert_eq!(back, record);
    }
}

/// 10 MB of body, 1 MB of error text, and as many headers as a frame takes.
pub(crate) async fn a_large_record_comes_back(url: &str) {
    let store = store(url);
    let mut large = FailedMessage {
        body: (0..10_000_000_u32)
            .map(|n| ((n * 31) >> 3).to_le_bytes()[0])
            .collect(),
        error: "ü".repeat(500_000),
        error_chain: vec!["x".repeat(1_000_000); 2],
        ..record("large")
    };
    for n in 0..120 {
        let value = vec![n; 1000];
        let headers = &mut large.properties.headers;
        headers.insert(format!("h{n}"), garenne::core::Value::ByteArray(value));
    }
    // As many as do not fit in one statement.
    let mut records = vec![large; 3];
    for (n, record) in records.iter_mut().enumerate() {
        record.message_id.push_str(&n.to_string());
    }
    assert_eq!(insert(&store, &records).await.new, 3);
    let back = all(&store).await;
    assert!(back == records, "not as it was");
}
