//! A storm: many sends while something is done to the broker, and the check that every answer is true.
//! It knows no broker: the tests on RabbitMQ use it too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use garenne::PublishError;
use garenne::prelude::*;
use garenne_testing::eventually;
use tokio::task::JoinHandle;

type Answers = Vec<(usize, Result<(), PublishError>)>;

/// So many sends by one publisher; their ids are their numbers.
pub(crate) struct Storm {
    publisher: Publisher,
    sends: usize,
    /// How long a message waits for the broker, if it waits.
    patience: Duration,
    answered: Arc<AtomicUsize>,
    senders: Vec<JoinHandle<Answers>>,
}

impl Storm {
    pub(crate) fn new(publisher: Publisher, sends: usize, patience: Duration) -> Self {
        Self {
            publisher,
            sends,
            patience,
            answered: Arc::default(),
            senders: Vec::new(),
        }
    }

    /// Begins to send: a task for each of these queues, each with its share of the messages.
    pub(crate) fn begin(mut self, queues: &[&'static str]) -> Self {
        for (share, queue) in queues.iter().enumerate() {
            let numbers = (share..self.sends).step_by(queues.len());
            let numbers = numbers.map(|number| (number, self.when_down(number)));
            let (publisher, answered) = (self.publisher.clone(), Arc::clone(&self.answered));
            let sending = send(publisher, queue, numbers.collect(), answered);
            self.senders.push(tokio::spawn(sending));
        }
        self
    }

    /// Every tenth message has no patience, every tenth is buffered, the others wait.
    fn when_down(&self, number: usize) -> WhenDown {
        match number % 10 {
            3 => WhenDown::FailFast,
            7 => WhenDown::Buffer {
                max_messages: self.sends,
                max_bytes: 1 << 30,
                max_age: self.patience,
            },
            _ => WhenDown::WaitUpTo(self.patience),
        }
    }

    /// Waits for the middle of the flow, wherever that is: until so many parts of all are answered.
    pub(crate) async fn reaches(&self, part: usize, parts: usize) {
        let wanted = part * self.sends / parts;
        let what = format!("{wanted} sends are answered");
        eventually(3 * self.patience, &what, async || {
            match self.answered.load(Ordering::Relaxed) {
                answered if answered >= wanted => Ok(()),
                answered => Err(format!("{answered}; {:?}", self.publisher.status())),
            }
        })
        .await;
    }

    /// Waits for all answers.
    pub(crate) async fn ends(&mut self) -> Answers {
        let senders = std::mem::take(&mut self.senders);
        let answers = tokio::time::timeout(3 * self.patience, join_all(senders)).await;
        let answers = answers.expect("no send is unresolved");
        let answers: Answers = answers.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(answers.len(), self.sends);
        answers
    }

    /// That every `Ok` is stored and every error is true; `stored` counts the copies of each id.
    pub(crate) fn check(&self, answers: &Answers, stored: &BTreeMap<String, usize>) {
        let (mut oks, mut unsent, mut unknown) = (0, 0, 0);
        for (number, answer) in answers {
            let is_stored = stored.contains_key(&number.to_string());
            match answer {
                Ok(()) => {
                    assert!(is_stored, "message {number} was Ok and is in no queue");
                    oks += 1;
                }
                Err(error) if error.may_be_stored() => unknown += 1,
                Err(error) => {
                    assert!(!is_stored, "message {number} is in a queue: {error}");
                    unsent += 1;
                }
            }
        }
        let copies: usize = stored.values().sum();
        let again = u64::try_from(copies - stored.len()).unwrap();
        let status = self.publisher.status();
        println!(
            "{oks} Ok, {unsent} not sent, {unknown} unknown; {again} stored again; {status:?}"
        );
        assert!(
            again <= status.possible_duplicates,
            "duplicates that were not counted"
        );
        assert!(oks >= self.sends * 8 / 10, "those that wait arrive: {oks}");
    }
}

/// Sends these messages, and counts the answers.
async fn send(
    publisher: Publisher,
    queue: &'static str,
    numbers: Vec<(usize, WhenDown)>,
    answered: Arc<AtomicUsize>,
) -> Answers {
    let messages = numbers.clone().into_iter().map(|(number, when_down)| {
        Outgoing::to_queue(queue, "x")
            .message_id(number.to_string())
            .when_down(when_down)
    });
    let mut results = publisher.send_all(messages);
    let mut answers = Vec::new();
    for (number, _) in numbers {
        let result = results.next().await.expect("a result for every message");
        answers.push((number, result));
        answered.fetch_add(1, Ordering::Relaxed);
    }
    answers
}
