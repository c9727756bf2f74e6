//! Sends many messages, pipelined.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;

use super::entrance::{Entry, Ticket};
use super::{Outgoing, PublishError, Publisher};

/// How many results are kept until the caller takes them; beyond that no more messages are sent.
const RESULTS: usize = 1024;

/// A stream of the results of [`Publisher::send_all`], in the order of the messages.
///
/// It works only while it is polled, by [`SendAll::next`], [`SendAll::finish`] or as a `Stream`: then it
/// sends each message that has a place in the publisher's window. At most 1,024 messages are sent whose
/// results were not taken.
///
/// # Cancel safety
///
/// If this value is dropped, it pulls no more messages from their source; messages that were pulled and have
/// no result yet may be stored. Dropping the future of [`SendAll::next`] or [`SendAll::finish`] loses
/// nothing: the next call continues.
#[must_use = "nothing is sent until the results are asked for"]
pub struct SendAll<'a> {
    publisher: Publisher,
    messages: Pin<Box<dyn Stream<Item = Outgoing> + Send + 'a>>,
    /// The source has no more messages.
    exhausted: bool,
    /// The message that waits for a place in the window.
    entering: Option<Entering>,
    answers: VecDeque<Answer>,
    sent: Sent,
}

type Entering = Pin<Box<dyn Future<Output = Result<Ticket, PublishError>> + Send>>;

/// The answer to a message, or the ticket for it.
enum Answer {
    Due(Ticket),
    /// The message was not handed over.
    Failed(PublishError),
}

/// The totals of a [`SendAll`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// How many messages the broker confirmed.
    pub confirmed: u64,
    /// How many sends failed.
    pub failed: u64,
    /// The first failure, with the position of its message, from 0.
    pub first_failure: Option<(u64, PublishError)>,
}

impl<'a> SendAll<'a> {
    pub(super) fn new(
        publisher: Publisher,
        messages: Pin<Box<dyn Stream<Item = Outgoing> + Send + 'a>>,
    ) -> Self {
        Self {
            publisher,
            messages,
            exhausted: false,
            entering: None,
            answers: VecDeque::new(),
            sent: Sent::default(),
        }
    }

    /// The result of the next message; `None` after the last.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no result and no message.
    pub async fn next(&mut self) -> Option<Result<(), PublishError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Sends all messages and returns the totals, including results that were taken before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: a second call continues.
    pub async fn finish(&mut self) -> Sent {
        while self.next().await.is_some() {}
        self.sent.clone()
    }

    /// Sends as many messages as the window has room for.
    fn send_more(&mut self, cx: &mut Context<'_>) {
        while self.answers.len() < RESULTS {
            if let Some(entering) = &mut self.entering {
                let Poll::Ready(entered) = entering.as_mut().poll(cx) else {
                    return;
                };
                self.entering = None;
                self.answers.push_back(Answer::of(entered));
            }
            if self.exhausted {
                return;
            }
            match self.messages.as_mut().poll_next(cx) {
                Poll::Pending => return,
                Poll::Ready(None) => self.exhausted = true,
                Poll::Ready(Some(message)) => match self.publisher.try_hand_over(message) {
                    Entry::Entered(entered) => self.answers.push_back(Answer::of(entered)),
                    Entry::Waits(waiting) => self.entering = Some(Box::pin(waiting.enter())),
                },
            }
        }
    }
}

impl Stream for SendAll<'_> {
    type Item = Result<(), PublishError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        this.send_more(cx);
        let result = match this.answers.front_mut() {
            None if this.exhausted && this.entering.is_none() => return Poll::Ready(None),
            None => return Poll::Pending,
            Some(Answer::Due(ticket)) => ready!(Pin::new(ticket).poll(cx)),
            Some(Answer::Failed(error)) => Err(error.clone()),
        };
        this.answers.pop_front();
        this.sent.count(&result);
        Poll::Ready(Some(result))
    }
}

impl Answer {
    fn of(entered: Result<Ticket, PublishError>) -> Self {
        match entered {
            Ok(ticket) => Self::Due(ticket),
            Err(error) => Self::Failed(error),
        }
    }
}

impl Sent {
    fn count(&mut self, result: &Result<(), PublishError>) {
        let position = self.confirmed + self.failed;
        match result {
            Ok(()) => self.confirmed += 1,
            Err(error) => {
                self.failed += 1;
                self.first_failure
                    .get_or_insert_with(|| (position, error.clone()));
            }
        }
    }
}

impl std::fmt::Debug for SendAll<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendAll")
            .field("so_far", &self.sent)
            .finish_non_exhaustive()
    }
}
