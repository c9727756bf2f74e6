//! What the system has published.

use garenne::core::Value;

use crate::TestSystem;
use crate::fail::fail;
use crate::message::Message;
use crate::scene::Role;

impl TestSystem {
    /// At least one message lies in a queue that the system publishes to. What is returned looks for
    /// particular ones:
    ///
    /// ```
    /// # use garenne_testing::TestSystem;
    /// # fn example(system: &TestSystem) {
    /// let invoice = serde_json::json!({ "order": 7, "cents": 1999 });
    /// system.assert_published("invoices").json(&invoice).header("tenant", "eu").times(1);
    /// # }
    /// ```
    ///
    /// The queue must be there before the system starts: see
    /// [`TestSystemBuilder::queue`](crate::TestSystemBuilder::queue).
    ///
    /// # Panics
    ///
    /// When the queue is empty, or is not there, or the system consumes it itself: then its messages
    /// are asserted about with [`assert_handled`](Self::assert_handled) and the like.
    #[track_caller]
    pub fn assert_published(&self, queue: &str) -> Published {
        let published = self.published(queue);
        if published.messages.is_empty() {
            published.complain(format!("nothing was published to `{queue}`"));
        }
        published
    }

    /// No message lies in a queue that the system publishes to.
    ///
    /// # Panics
    ///
    /// When one does, or may still come because the system is not settled; when the queue is not
    /// there, or the system consumes it itself.
    #[track_caller]
    pub fn assert_nothing_published(&self, queue: &str) {
        let published = self.published(queue);
        let count = published.messages.len();
        if count > 0 {
            published.complain(format!("{count} published to `{queue}`, expected none"));
        }
        if !self.scene().is_settled() {
            published.complain(format!(
                "something may still be published to `{queue}`: await `settled()` before asserting"
            ));
        }
    }

    #[track_caller]
    fn published(&self, queue: &str) -> Published {
        let scene = self.scene();
        let messages = match scene.queue(queue) {
            Some(found) if found.role == Role::Consumed => fail(format!(
                "the system consumes `{queue}` itself, so nothing stays there; assert that its messages were handled\n\n{scene}"
            )),
            Some(found) => found.messages.clone(),
            None => fail(format!(
                "there is no queue `{queue}`; declare it with `TestSystem::builder().queue(…)`\n\n{scene}"
            )),
        };
        Published {
            queue: queue.to_owned(),
            wanted: Vec::new(),
            messages,
            around: scene.to_string(),
        }
    }
}

/// Messages that the system has published, from [`TestSystem::assert_published`]; or that a handler wants
/// sent, from [`Run::assert_published`](crate::Run::assert_published).
///
/// Each method keeps those messages that are so, and fails when none is left.
#[derive(Debug)]
pub struct Published {
    queue: String,
    wanted: Vec<String>,
    messages: Vec<Message>,
    /// What else is there, for a test that fails.
    around: String,
}

impl Published {
    /// Those of a handler's messages that are for this queue, or for an exchange.
    #[track_caller]
    pub(crate) fn of_run(to: String, messages: Vec<Message>, around: String) -> Self {
        let published = Self {
            queue: to,
            wanted: Vec::new(),
            messages,
            around,
        };
        if published.messages.is_empty() {
            published.complain(format!("nothing was published to `{}`", published.queue));
        }
        published
    }

    /// Their body is this text, or these bytes.
    ///
    /// # Panics
    ///
    /// When none of them is so.
    #[track_caller]
    pub fn body(self, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let shown = String::from_utf8_lossy(body);
        self.keep(format!("body `{shown}`"), |m| m.bytes() == body)
    }

    /// Their body is JSON that is equal to this value, whatever its spaces and the order of its keys.
    ///
    /// # Panics
    ///
    /// When none of them is so.
    #[track_caller]
    pub fn json(self, value: &serde_json::Value) -> Self {
        self.keep(format!("body {value}"), |message| {
            let body = serde_json::from_slice::<serde_json::Value>(message.bytes());
            body.is_ok_and(|body| body == *value)
        })
    }

    /// They have a header of this value.
    ///
    /// # Panics
    ///
    /// When none of them is so.
    #[track_caller]
    pub fn header(self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let what = format!("header `{name}` = {value:?}");
        self.keep(what, |message| message.header(name) == Some(&value))
    }

    /// They were published with this routing key.
    ///
    /// # Panics
    ///
    /// When none of them is so.
    #[track_caller]
    pub fn routing_key(self, key: &str) -> Self {
        let what = format!("routing key `{key}`");
        self.keep(what, |message| message.routing_key() == key)
    }

    /// They are held back so long: a handler that was run by [`perform`](crate::perform()) gave them to
    /// [`Outgoing::after`](garenne::Outgoing::after).
    ///
    /// # Panics
    ///
    /// When none of them is so.
    #[track_caller]
    pub fn after(self, delay: std::time::Duration) -> Self {
        let what = format!("a delay of {}", humantime::format_duration(delay));
        self.keep(what, |message| message.delay() == Some(delay))
    }

    /// They are what `is_so` says; `what` says it in words, for a test that fails.
    ///
    /// # Panics
    ///
    /// When none of them is so.
    #[track_caller]
    pub fn that(self, what: &str, is_so: impl Fn(&Message) -> bool) -> Self {
        self.keep(what.to_owned(), is_so)
    }

    /// There are so many of them.
    ///
    /// # Panics
    ///
    /// When there are more or fewer.
    #[track_caller]
    pub fn times(self, count: usize) -> Self {
        let is = self.messages.len();
        if is != count {
            let wanted = self.wanted();
            let queue = &self.queue;
            self.complain(format!(
                "{is} published to `{queue}`{wanted}, expected {count}"
            ));
        }
        self
    }

    /// The messages, in the order in which they lie there.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    #[track_caller]
    fn keep(mut self, what: String, is_so: impl Fn(&Message) -> bool) -> Self {
        self.wanted.push(what);
        self.messages.retain(is_so);
        if self.messages.is_empty() {
            let wanted = self.wanted();
            let queue = &self.queue;
            self.complain(format!("nothing was published to `{queue}`{wanted}"));
        }
        self
    }

    fn wanted(&self) -> String {
        match self.wanted.is_empty() {
            true => String::new(),
            false => format!(" with {}", self.wanted.join(" and ")),
        }
    }

    #[track_caller]
    fn complain(&self, what: impl AsRef<str>) -> ! {
        fail(format!("{}\n\n{}", what.as_ref(), self.around))
    }
}
