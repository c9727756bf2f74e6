//! The events of a channel, their order, and the tasks that they wake.

use super::super::scripted::Sleeper;
use super::*;

fn confirmed(tag: u64) -> Incoming {
    Incoming::Confirmed {
        tag,
        multiple: false,
        taken: true,
    }
}

/// A word for each event.
fn words(items: impl IntoIterator<Item = Incoming>) -> Vec<String> {
    let words = items.into_iter().map(|item| match item {
        Incoming::Message(message) => format!("message {}", message.tag),
        Incoming::Returned(returned) => format!("returned {}", returned.code),
        Incoming::Confirmed { tag, .. } => format!("confirmed {tag}"),
        Incoming::ConsumerEnded => "ended".into(),
        Incoming::Closed(why) => format!("closed: {why}"),
    });
    words.collect()
}

/// Takes all events; `None` while there are none.
fn take(inbox: &Inbox, waker: &Waker) -> Option<Vec<String>> {
    let mut items = VecDeque::new();
    match inbox.poll_take(&Context::from_waker(waker), &mut items) {
        Poll::Ready(()) => Some(words(items)),
        Poll::Pending => None,
    }
}

fn lost() -> LinkError {
    LinkError::transient("the link is lost")
}

#[test]
fn a_task_is_woken_once_for_what_was_read_at_once() {
    let inboxes = Inboxes::default();
    let inbox = inboxes.open(1, "queue `a`".into());
    let (task, waker) = Sleeper::new();
    assert_eq!(take(&inbox, &waker), None);
    let mut sorter = Sorter::default();
    for tag in 1..=100 {
        sorter.put(1, confirmed(tag));
    }
    sorter.hand_over(&inboxes);
    assert_eq!(task.wakes(), 1);
    let expected: Vec<_> = (1..=100).map(|tag| format!("confirmed {tag}")).collect();
    assert_eq!(take(&inbox, &waker), Some(expected));
    assert_eq!(take(&inbox, &waker), None);
    sorter.hand_over(&inboxes);
    assert_eq!((task.wakes(), take(&inbox, &waker)), (0, None));
}

#[test]
fn tasks_are_woken_once_however_their_things_are_mixed() {
    let inboxes = Inboxes::default();
    let boxes = [1, 2].map(|channel| inboxes.open(channel, String::new()));
    let tasks = [Sleeper::new(), Sleeper::new()];
    let mut sorter = Sorter::default();
    for turn in 0..3 {
        for (inbox, (_, waker)) in boxes.iter().zip(&tasks) {
            assert_eq!(take(inbox, waker), None);
        }
        for tag in 0..10_u16 {
            sorter.put(tag % 2 + 1, confirmed(tag.into()));
        }
        sorter.hand_over(&inboxes);
        for (inbox, (task, waker)) in boxes.iter().zip(&tasks) {
            assert_eq!((turn, task.wakes()), (turn, 1));
            assert_eq!(take(inbox, waker).map(|taken| taken.len()), Some(5));
        }
    }
}

#[test]
fn each_channel_gets_its_own_in_order() {
    let inboxes = Inboxes::default();
    let boxes = [1, 2, 3].map(|channel| inboxes.open(channel, String::new()));
    let mut sorter = Sorter::default();
    for tag in 1..=9_u16 {
        sorter.put(tag % 3 + 1, confirmed(tag.into()));
    }
    sorter.put(2, Incoming::ConsumerEnded);
    sorter.hand_over(&inboxes);
    let taken = boxes.map(|inbox| take(&inbox, Waker::noop()).unwrap().join(", "));
    let expected = [
        "confirmed 3, confirmed 6, confirmed 9",
        "confirmed 1, confirmed 4, confirmed 7, ended",
        "confirmed 2, confirmed 5, confirmed 8",
    ];
    assert_eq!(taken, expected);
}

#[test]
fn the_end_of_a_channel_comes_behind_everything_and_stays() {
    let inboxes = Inboxes::default();
    let inbox = inboxes.open(1, String::new());
    let other = inboxes.open(2, String::new());
    let (task, waker) = Sleeper::new();
    assert_eq!(take(&inbox, &waker), None);
    let mut sorter = Sorter::default();
    sorter.put(1, confirmed(1));
    sorter.put(1, confirmed(2));
    sorter.hand_over(&inboxes);
    let closed = inboxes.find(1).unwrap();
    assert!(Arc::ptr_eq(&closed, &inbox));
    closed.close(&LinkError::of_close(404, "NOT_FOUND".into()));
    assert!(task.wakes() >= 1);
    assert_eq!(
        take(&inbox, &waker).unwrap(),
        ["confirmed 1", "confirmed 2"]
    );
    // The first reason counts.
    inboxes.close(&lost());
    for _ in 0..2 {
        let last = take(&inbox, &waker).unwrap();
        assert!(last.len() == 1 && last[0].contains("NOT_FOUND"), "{last:?}");
    }
    assert_eq!(take(&other, &waker).unwrap(), ["closed: the link is lost"]);
}

#[test]
fn nothing_comes_behind_the_end_of_a_channel() {
    let inboxes = Inboxes::default();
    let inbox = inboxes.open(1, String::new());
    inboxes.close(&lost());
    assert_eq!(
        take(&inbox, Waker::noop()).unwrap(),
        ["closed: the link is lost"]
    );
    let mut sorter = Sorter::default();
    sorter.put(1, confirmed(1));
    sorter.hand_over(&inboxes);
    assert_eq!(
        take(&inbox, Waker::noop()).unwrap(),
        ["closed: the link is lost"]
    );
}

#[test]
fn a_channel_that_is_opened_when_the_link_is_gone_is_closed() {
    let inboxes = Inboxes::default();
    inboxes.close(&lost());
    inboxes.close(&LinkError::transient("once more"));
    let inbox = inboxes.open(1, String::new());
    assert_eq!(
        take(&inbox, Waker::noop()).unwrap(),
        ["closed: the link is lost"]
    );
}

#[test]
fn every_task_learns_that_the_link_is_gone() {
    let inboxes = Inboxes::default();
    let waiting: Vec<_> = (1..=5)
        .map(|channel| {
            let inbox = inboxes.open(channel, String::new());
            let (task, waker) = Sleeper::new();
            assert_eq!(take(&inbox, &waker), None);
            (inbox, task, waker)
        })
        .collect();
    inboxes.close(&lost());
    for (inbox, task, waker) in waiting {
        assert_eq!(task.wakes(), 1);
        assert_eq!(take(&inbox, &waker).unwrap(), ["closed: the link is lost"]);
    }
}

#[test]
fn whoever_asked_last_is_woken() {
    let inboxes = Inboxes::default();
    let inbox = inboxes.open(1, String::new());
    let ((before, first), (now, second)) = (Sleeper::new(), Sleeper::new());
    assert_eq!(take(&inbox, &first), None);
    assert_eq!(take(&inbox, &second), None);
    let mut sorter = Sorter::default();
    sorter.put(1, confirmed(1));
    sorter.hand_over(&inboxes);
    assert_eq!((before.wakes(), now.wakes()), (0, 1));
}

#[test]
fn a_forgotten_channel_gets_nothing_and_its_successor_is_not_forgotten() {
    let inboxes = Inboxes::default();
    let old = inboxes.open(1, "queue `old`".into());
    let new = inboxes.open(1, "queue `new`".into());
    inboxes.forget(1, &old);
    assert_eq!(inboxes.label(1).as_deref(), Some("queue `new`"));
    let mut sorter = Sorter::default();
    sorter.put(1, confirmed(1));
    sorter.put(7, confirmed(9));
    sorter.hand_over(&inboxes);
    assert_eq!(take(&old, Waker::noop()), None);
    assert_eq!(take(&new, Waker::noop()).unwrap(), ["confirmed 1"]);
    inboxes.forget(1, &new);
    assert_eq!(inboxes.label(1), None);
    assert!(inboxes.find(1).is_none());
}
