//! `garenne send`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use garenne::admin::BrokerAdmin;
use garenne::{Outgoing, PublishError, Publisher};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::{Instant, sleep_until};

use crate::args::Send;
use crate::exit::{Done, Trouble, say, say_fault};
use crate::interrupt::Interrupt;
use crate::output::{Progress, Screen, count};
use crate::secrets::file_name;

/// How many messages are on their way at once, and how many bytes of them.
const WINDOW: usize = 256;
const WINDOW_BYTES: usize = 32 * 1024 * 1024;
/// How many failures are described.
const DESCRIBED: u64 = 20;

pub(crate) async fn run(send: Send) -> Result<Done, Trouble> {
    let interrupt = Interrupt::listen();
    let single = single(&send)?;
    if single.is_none() && send.message_id.is_some() {
        return Err(Trouble::usage(
            "--message-id names one message, and standard input may hold many",
        ));
    }
    let broker = BrokerAdmin::connect(send.url.as_deref()).await?;
    let publisher = broker.publisher().await?;
    let mut sending = Sending {
        every: send.rate.map(|rate| Duration::from_secs(1) / rate.get()),
        due: Instant::now(),
        progress: Progress::new("sending", single.as_ref().map(|_| 1)),
        screen: Screen::new(),
        under_way: FuturesUnordered::new(),
        bytes: 0,
        confirmed: 0,
        failed: 0,
        first_error: None,
        publisher: publisher.clone(),
        send,
    };
    let done = match single {
        Some(body) => sending.start(body, &interrupt).await,
        None => sending.all_lines(&interrupt).await,
    };
    let finished = sending.finish().await;
    publisher.close().await;
    broker.close().await;
    done?;
    finished?;
    sending.tell(&interrupt)
}

/// The one body that the arguments name.
fn single(send: &Send) -> Result<Option<Bytes>, Trouble> {
    if let Some(body) = &send.body {
        return Ok(Some(body.clone().into()));
    }
    let Some(path) = &send.file else {
        return Ok(None);
    };
    let body = std::fs::read(path)
        .map_err(|e| Trouble::usage(format!("cannot read the file {}: {e}", file_name(path))))?;
    Ok(Some(body.into()))
}

struct Sent {
    id: String,
    bytes: usize,
    result: Result<(), PublishError>,
}

struct Sending {
    send: Send,
    publisher: Publisher,
    every: Option<Duration>,
    due: Instant,
    progress: Progress,
    screen: Screen,
    under_way: FuturesUnordered<futures_util::future::BoxFuture<'static, Sent>>,
    bytes: usize,
    confirmed: u64,
    failed: u64,
    first_error: Option<PublishError>,
}

impl Sending {
    async fn all_lines(&mut self, interrupt: &Interrupt) -> Result<(), Trouble> {
        let mut lines = BufReader::new(tokio::io::stdin()).split(b'\n');
        loop {
            let line = tokio::select! {
                biased;
                () = interrupt.clone().asked() => return Ok(()),
                line = lines.next_segment() => line,
                // Ids are written as they come, not when the next line does.
                Some(sent) = self.under_way.next() => {
                    self.settle(sent)?;
                    continue;
                }
            };
            let line = line.map_err(|e| Trouble::failed(format!("cannot read a line: {e}")))?;
            let Some(mut line) = line else {
                return Ok(());
            };
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if !line.is_empty() {
                self.start(line.into(), interrupt).await?;
            }
            if self.broker_is_gone() {
                return Ok(());
            }
        }
    }

    /// Starts one message, when there is room for it and its time has come.
    async fn start(&mut self, body: Bytes, interrupt: &Interrupt) -> Result<(), Trouble> {
        loop {
            let is_full = self.under_way.len() >= WINDOW || self.bytes >= WINDOW_BYTES;
            if !is_full && self.due <= Instant::now() {
                break;
            }
            tokio::select! {
                biased;
                () = interrupt.clone().asked() => return Ok(()),
                Some(sent) = self.under_way.next() => self.settle(sent)?,
                () = sleep_until(self.due), if !is_full => {}
            }
        }
        if let Some(every) = self.every {
            self.due = self.due.max(Instant::now()) + every;
        }
        let bytes = body.len();
        self.bytes += bytes;
        let message = self.message(body);
        let (id, publisher) = (message.id().to_owned(), self.publisher.clone());
        let after = self.send.after;
        self.under_way.push(Box::pin(async move {
            let result = match after {
                None => publisher.send(message).await,
                Some(after) => publisher.send_after(message, after).await,
            };
            Sent { id, bytes, result }
        }));
        Ok(())
    }

    fn message(&self, body: Bytes) -> Outgoing {
        let exchange = self.send.exchange.clone().unwrap_or_default();
        let key = self.send.queue.clone().or(self.send.routing_key.clone());
        let mut message = Outgoing::to_exchange(exchange, key.unwrap_or_default(), body);
        let is_text = self.send.file.is_none();
        let default = is_text.then(|| "text/plain".to_owned());
        if let Some(content_type) = self.send.content_type.clone().or(default) {
            message = message.content_type(content_type);
        }
        if let Some(id) = &self.send.message_id {
            message = message.message_id(id);
        }
        for header in &self.send.headers {
            message = message.header(&header.name, header.value.clone());
        }
        message.app_id("garenne")
    }

    fn settle(&mut self, sent: Sent) -> Result<(), Trouble> {
        self.bytes = self.bytes.saturating_sub(sent.bytes);
        match sent.result {
            Ok(()) => {
                self.confirmed += 1;
                if self.send.confirm {
                    self.screen.line(&sent.id)?;
                }
            }
            Err(error) => {
                self.failed += 1;
                if self.failed <= DESCRIBED {
                    self.progress.clear();
                    say_fault(&format!("message {} was not confirmed: {error}", sent.id));
                }
                self.first_error.get_or_insert(error);
            }
        }
        self.progress.at(self.confirmed + self.failed);
        Ok(())
    }

    /// Waits for what is under way.
    async fn finish(&mut self) -> Result<(), Trouble> {
        while let Some(sent) = self.under_way.next().await {
            self.settle(sent)?;
        }
        self.progress.clear();
        Ok(())
    }

    fn broker_is_gone(&self) -> bool {
        matches!(
            self.first_error,
            Some(
                PublishError::Disconnected { .. }
                    | PublishError::Blocked { .. }
                    | PublishError::Timeout { .. }
            )
        )
    }

    fn tell(self, interrupt: &Interrupt) -> Result<Done, Trouble> {
        if self.failed > DESCRIBED {
            say(&format!("… and {} more", self.failed - DESCRIBED));
        }
        say(&format!("confirmed {}", count(self.confirmed, "message")));
        if self.broker_is_gone()
            && let Some(error) = self.first_error
        {
            return Err(Trouble::from(error)
                .while_doing("not everything was sent; what has no confirm may be stored or not"));
        }
        if interrupt.is_asked() {
            say("stopped on request");
        }
        Ok(if self.failed > 0 || interrupt.is_asked() {
            Done::NotEverything
        } else {
            Done::Everything
        })
    }
}
