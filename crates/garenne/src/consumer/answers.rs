//! Answers between the tasks of a thread, whose memory is used again.

use std::cell::RefCell;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

/// The places of pending answers. Each is like a oneshot channel, but without an allocation of its own.
pub(super) struct Answers<T>(Rc<RefCell<Slab<State<T>>>>);

enum State<T> {
    Awaited(Option<Waker>),
    Given(T),
    /// There will be no answer, or it was taken.
    Over,
    /// The receiver does not wait for it any more.
    Left,
}

/// Gives an answer. If it is dropped without, there will be no answer.
pub(super) struct Reply<T> {
    answers: Answers<T>,
    /// `None` once it was given.
    place: Option<usize>,
}

/// Waits for an answer. `None`: there will be no answer.
pub(super) struct Answer<T> {
    answers: Answers<T>,
    place: usize,
}

impl<T> Answers<T> {
    pub(super) fn new() -> Self {
        Self(Rc::default())
    }

    pub(super) fn expect(&self) -> (Reply<T>, Answer<T>) {
        let place = self.0.borrow_mut().insert(State::Awaited(None));
        let reply = Reply {
            answers: self.clone(),
            place: Some(place),
        };
        let answers = self.clone();
        (reply, Answer { answers, place })
    }

    fn end(&self, place: usize, end: State<T>) {
        let mut places = self.0.borrow_mut();
        let waker = match mem::replace(&mut places[place], end) {
            State::Awaited(waker) => waker,
            // The receiver left this half to clear up. An answer is user code: it is dropped when nothing
            // is borrowed any more.
            _ => {
                let unwanted = places.remove(place);
                drop(places);
                drop(unwanted);
                return;
            }
        };
        drop(places);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Clone for Answers<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> Reply<T> {
    pub(super) fn send(mut self, answer: T) {
        if let Some(place) = self.place.take() {
            self.answers.end(place, State::Given(answer));
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.answers.end(place, State::Over);
        }
    }
}

impl<T> Future for Answer<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let state = &mut self.answers.0.borrow_mut()[self.place];
        match state {
            State::Awaited(Some(waker)) => waker.clone_from(cx.waker()),
            State::Awaited(none) => *none = Some(cx.waker().clone()),
            _ => {
                return Poll::Ready(match mem::replace(state, State::Over) {
                    State::Given(answer) => Some(answer),
                    _ => None,
                });
            }
        }
        Poll::Pending
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let mut places = self.answers.0.borrow_mut();
        if let state @ State::Awaited(_) = &mut places[self.place] {
            *state = State::Left;
            return;
        }
        let unwanted = places.remove(self.place);
        drop(places);
        drop(unwanted);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn poll<T>(answer: &mut Answer<T>) -> Poll<Option<T>> {
        pin!(answer).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn an_answer_comes_once() {
        let answers = Answers::new();
        let (reply, mut answer) = answers.expect();
        assert_eq!(poll(&mut answer), Poll::Pending);
        reply.send(7);
        assert_eq!(poll(&mut answer), Poll::Ready(Some(7)));
        assert_eq!(poll(&mut answer), Poll::Ready(None));
    }

    #[test]
    fn who_drops_the_reply_lets_nobody_wait_for_ever() {
        let (reply, mut answer) = Answers::<u8>::new().expect();
        drop(reply);
        assert_eq!(poll(&mut answer), Poll::Ready(None));
    }

    #[test]
    fn a_late_reply_never_reaches_whoever_has_the_place_now() {
        let answers = Answers::new();
        let (late, left) = answers.expect();
        drop(left);
        let (reply, mut answer) = answers.expect();
        late.send(1);
        assert_eq!(poll(&mut answer), Poll::Pending);
        reply.send(2);
        assert_eq!(poll(&mut answer), Poll::Ready(Some(2)));
    }

    #[test]
    fn places_are_used_again_whoever_goes_first() {
        let answers = Answers::new();
        for number in 0..10 {
            let (reply, answer) = answers.expect();
            if number % 2 == 0 {
                drop(answer);
                reply.send(number);
            } else {
                reply.send(number);
                drop(answer);
            }
            assert!(answers.0.borrow().is_empty());
        }
        assert!(answers.0.borrow().capacity() < 10);
    }
}
