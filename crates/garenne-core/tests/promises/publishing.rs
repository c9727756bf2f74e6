//! The publisher's decisions, against a broker and a shell that keep books of their own.

mod books;
mod checks;
mod examples;
mod link;
mod scene;

use std::time::Duration;

use garenne_core::publishing::{OutageWait, TICK};
use proptest::prelude::*;
use proptest::sample::Index;
use scene::{Ending, Scene, TIMEOUT};

const SECOND: Duration = Duration::from_secs(1);
const EXCHANGES: [&str; 4] = ["orders", "events", "missing", "too large"];

/// What can happen. Messages and numbers are picked by place among those that there are.
#[derive(Clone, Debug)]
enum Event {
    /// A key of a few, or none but its own.
    Send(Option<u64>, usize, Wait),
    SendMany(usize),
    Abandon(Index),
    Confirm(Index, bool, bool),
    /// A confirm or a return that means no message in flight.
    Nonsense(u64),
    Return(Index),
    Block(bool),
    Break(Ending),
    Shut,
    Link(bool),
    Open,
    Pass(Duration),
    Neighbours(usize),
    NeighbourAsks(bool),
    AwaitReplies(bool),
}

#[derive(Clone, Copy, Debug)]
enum Wait {
    Copy,
    FailFast,
    For(Duration),
}

impl Wait {
    fn from(self, scene: &Scene) -> OutageWait {
        match self {
            Self::Copy => OutageWait::Copy,
            Self::FailFast => OutageWait::FailFast,
            Self::For(time) => OutageWait::Until(scene.now + time),
        }
    }
}

fn wait() -> impl Strategy<Value = Wait> {
    let time = (0_u64..60_000).prop_map(Duration::from_millis);
    prop_oneof![
        1 => Just(Wait::Copy),
        1 => Just(Wait::FailFast),
        2 => time.prop_map(Wait::For)
    ]
}

fn ending() -> impl Strategy<Value = Ending> {
    let named = prop::sample::select(EXCHANGES.to_vec()).prop_map(Some);
    let of = |code, names, loses_link| Ending {
        code,
        names,
        loses_link,
    };
    prop_oneof![
        1 => named.prop_map(move |names| of(404, names, false)),
        1 => Just(of(406, None, false)),
        1 => Just(of(320, None, true)),
        1 => Just(of(0, None, true)),
        1 => Just(of(504, None, true)),
        2 => Just(of(541, None, true)),
    ]
}

fn send() -> impl Strategy<Value = Event> {
    let key = prop_oneof![2 => Just(None), 1 => (0_u64..4).prop_map(Some)];
    let exchange = prop_oneof![6 => 0_usize..2, 1 => 2_usize..4];
    (key, exchange, wait()).prop_map(|(key, exchange, wait)| Event::Send(key, exchange, wait))
}

fn confirm() -> impl Strategy<Value = Event> {
    let taken = prop_oneof![3 => Just(true), 1 => Just(false)];
    (any::<Index>(), any::<bool>(), taken)
        .prop_map(|(which, multiple, taken)| Event::Confirm(which, multiple, taken))
}

fn pass() -> impl Strategy<Value = Event> {
    let time = prop_oneof![0_u64..600, 0_u64..15_000];
    time.prop_map(|millis| Event::Pass(Duration::from_millis(millis)))
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => send(),
        1 => prop_oneof![5 => 1_usize..10, 1 => 250_usize..300].prop_map(Event::SendMany),
        1 => any::<Index>().prop_map(Event::Abandon),
        8 => confirm(),
        1 => any::<u64>().prop_map(Event::Nonsense),
        1 => any::<Index>().prop_map(Event::Return),
        1 => any::<bool>().prop_map(Event::Block),
        3 => ending().prop_map(Event::Break),
        1 => Just(Event::Shut),
        2 => prop_oneof![1 => Just(false), 3 => Just(true)].prop_map(Event::Link),
        8 => Just(Event::Open),
        5 => pass(),
        1 => (0_usize..3).prop_map(Event::Neighbours),
        1 => any::<bool>().prop_map(Event::NeighbourAsks),
        1 => any::<bool>().prop_map(Event::AwaitReplies),
    ]
}

impl Scene {
    /// A link and a channel, and nothing else.
    fn opened() -> Self {
        let mut scene = Self::new();
        scene.open();
        scene
    }

    fn send_own(&mut self, wait: Wait) -> usize {
        let (key, wait) = (1000 + self.records.len() as u64, wait.from(self));
        self.send(key, "orders", wait)
    }

    fn pick(&self, which: Index) -> Option<u64> {
        let count = self.unconfirmed.len();
        let place = (count > 0).then(|| which.index(count))?;
        self.unconfirmed.keys().nth(place).copied()
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Send(key, exchange, wait) => {
                let key = key.unwrap_or(1000 + self.records.len() as u64);
                let wait = wait.from(self);
                self.send(key, EXCHANGES[*exchange], wait);
            }
            Event::SendMany(count) => (0..*count).for_each(|_| {
                self.send_own(Wait::For(TIMEOUT));
            }),
            Event::Abandon(which) => {
                if !self.records.is_empty() {
                    self.abandon(which.index(self.records.len()));
                }
            }
            Event::Confirm(which, multiple, taken) => {
                if let Some(number) = self.pick(*which) {
                    self.confirm(number, *multiple, *taken);
                }
            }
            Event::Nonsense(number) => self.say_nonsense(*number),
            Event::Return(which) => {
                if let Some(number) = self.pick(*which) {
                    self.bounce(number);
                }
            }
            Event::Block(blocked) => self.block(*blocked),
            Event::Break(ending) => self.break_channel(ending),
            Event::Shut => self.is_shut = self.has_channel,
            Event::Link(is_up) => self.set_link(*is_up),
            Event::Open => self.open(),
            Event::Pass(time) => self.pass(*time),
            Event::Neighbours(count) => self.link.others.set(*count),
            Event::NeighbourAsks(asks) => {
                let may_ask = self.link.asked.get().is_none();
                self.link.other_asked.set(*asks && may_ask);
            }
            Event::AwaitReplies(await_replies) => self.link.awaits_replies.set(*await_replies),
        }
    }

    fn say_nonsense(&mut self, number: u64) {
        let answered = |scene: &Self| {
            scene
                .records
                .iter()
                .filter(|it| it.answer.is_some())
                .count()
        };
        // A neighbour that asks no longer lets messages go.
        self.drain();
        let before = answered(self);
        self.machine.returned(u64::MAX, "another's".to_owned());
        self.machine.confirmed(0, true, true, self.now);
        let last = self.last_number;
        let unknown = [0, last + 1, last.saturating_add(number.max(1))];
        let old = (1..=last).filter(|number| !self.unconfirmed.contains_key(number));
        for number in unknown.into_iter().chain(old.collect::<Vec<_>>()) {
            self.machine.confirmed(number, false, true, self.now);
        }
        self.drain();
        assert_eq!(answered(self), before, "nonsense was believed");
    }

    /// Heals everything, and lets the broker confirm all that it gets until there is nothing more.
    fn settle(&mut self) {
        self.machine.close();
        self.block(false);
        for _ in 0..10_000 {
            self.set_link(true);
            self.link.others.set(0);
            self.link.other_asked.set(false);
            self.link.awaits_replies.set(false);
            if self.is_shut {
                self.break_channel(&Ending::default());
            }
            self.open();
            if let Some((last, _)) = self.unconfirmed.last_key_value() {
                self.confirm(*last, true, true);
            }
            self.drain();
            if self.is_finished {
                return;
            }
            self.pass(TICK);
        }
        panic!("it never ends: {self:?}");
    }

    fn check_all_are_answered(&self) {
        for (id, it) in self.records.iter().enumerate() {
            assert!(it.answer.is_some() || it.is_abandoned, "{id}: {it:?}");
        }
    }
}

proptest! {
    /// The scene checks at every step that no confirm is believed too early, that each answer is the only
    /// one and true, that what has one key is never in flight twice, that the window is not exceeded, that
    /// last tries and suspects are alone, and that time while the broker blocks is not counted.
    #[test]
    fn whatever_happens_every_message_is_answered_once_and_truly(
        events in prop::collection::vec(event(), 0..150),
    ) {
        let mut scene = Scene::new();
        for event in &events {
            scene.apply(event);
        }
        scene.settle();
        scene.check_all_are_answered();
    }

    #[test]
    fn messages_go_and_go_again_in_the_order_in_which_they_came(
        events in prop::collection::vec(orderly_event(), 0..150),
    ) {
        let mut scene = Scene::opened();
        for event in &events {
            scene.apply(event);
            prop_assert!(scene.published_here.is_sorted(), "{:?}", scene.published_here);
            scene.open();
            prop_assert!(scene.published_here.is_sorted(), "{:?}", scene.published_here);
        }
        scene.settle();
        scene.check_all_are_answered();
    }

    #[test]
    fn the_last_try_of_a_message_is_made_alone_however_channels_break(
        events in prop::collection::vec(rough_event(), 0..100),
    ) {
        let mut scene = Scene::opened();
        for event in &events {
            scene.apply(event);
            scene.open();
        }
        scene.settle();
        scene.check_all_are_answered();
    }

    #[test]
    fn an_answer_comes_in_time_whatever_the_broker_does(
        events in prop::collection::vec(peaceful_event(), 0..150),
    ) {
        let mut scene = Scene::opened();
        for event in &events {
            scene.apply(event);
        }
        scene.pass(200 * SECOND);
        for it in scene.records.iter().filter(|it| !it.is_abandoned) {
            let (_, at) = it.answer.clone().unwrap();
            let waited = at.saturating_since(it.since);
            // [`wait`] gives at most 60 s, which is longer than a timeout.
            prop_assert!(waited <= 60 * SECOND + 2 * TIMEOUT + 2 * TICK, "{it:?}");
        }
    }
}

/// Nobody is suspect, and no channel breaks over nobody knows what.
fn orderly_event() -> impl Strategy<Value = Event> {
    let lost = Ending {
        code: 320,
        names: None,
        loses_link: true,
    };
    let culprit = Ending {
        code: 404,
        names: Some("missing"),
        loses_link: false,
    };
    prop_oneof![
        8 => (0_usize..3).prop_map(|exchange| Event::Send(None, exchange, Wait::For(900 * SECOND))),
        1 => prop_oneof![5 => 1_usize..10, 1 => 250_usize..300].prop_map(Event::SendMany),
        6 => confirm(),
        1 => any::<bool>().prop_map(Event::Block),
        1 => Just(Event::Break(lost)),
        1 => Just(Event::Break(culprit)),
        1 => Just(Event::Shut),
        2 => Just(Event::Link(true)),
        2 => (0_u64..3000).prop_map(|millis| Event::Pass(Duration::from_millis(millis))),
    ]
}

/// Channels break again and again, and the broker does not say over which message.
fn rough_event() -> impl Strategy<Value = Event> {
    let breaks = |code| Ending {
        code,
        names: None,
        loses_link: code == 541,
    };
    prop_oneof![
        6 => Just(Event::Send(None, 0, Wait::For(900 * SECOND))),
        3 => confirm(),
        3 => Just(Event::Break(breaks(406))),
        1 => Just(Event::Break(breaks(541))),
        3 => Just(Event::Link(true)),
        2 => (0_u64..3000).prop_map(|millis| Event::Pass(Duration::from_millis(millis))),
    ]
}

/// Everything but the loss of a channel. Copies wait out an alarm of any length.
fn peaceful_event() -> impl Strategy<Value = Event> {
    let patient = send().prop_filter("a copy", |event| {
        !matches!(event, Event::Send(_, _, Wait::Copy))
    });
    let taken = (any::<Index>(), any::<bool>())
        .prop_map(|(which, multiple)| Event::Confirm(which, multiple, true));
    prop_oneof![
        8 => patient,
        2 => taken,
        1 => any::<Index>().prop_map(Event::Return),
        1 => any::<bool>().prop_map(Event::Block),
        4 => pass(),
    ]
}
