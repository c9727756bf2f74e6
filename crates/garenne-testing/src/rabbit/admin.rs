//! What an operator does to a node, and sees in it.

use std::time::Duration;

use crate::rabbit::RabbitNode;
use crate::rabbit::control::binary;
use crate::wait::eventually;

/// How long anything may take that ought to happen soon.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many messages a queue holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// The queue's name.
    pub name: String,
    /// Messages that wait for a consumer.
    pub ready: u64,
    /// Messages that a consumer holds.
    pub unacked: u64,
    /// Messages on their way to a dead-letter queue: they are in neither of the others.
    pub dead_lettering: u64,
    /// How many consumers it has.
    pub consumers: u64,
}

impl QueueDepth {
    /// All messages of the queue, wherever they are.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.ready + self.unacked + self.dead_lettering
    }
}

/// Asks the queue itself (or its replicated state): the broker's statistics lag behind by seconds.
const DEPTHS: &str = r#"
Ask = fun(Q, F) ->
  {ok, {_, Value}, _} = ra:local_query(amqqueue:get_pid(Q), F), Value end,
lists:flatten([try
  {resource, _, queue, Name} = amqqueue:get_name(Q),
  {R, U, D, C} = case amqqueue:get_type(Q) of
    rabbit_quorum_queue ->
      {Ask(Q, fun rabbit_fifo:query_messages_ready/1),
       Ask(Q, fun rabbit_fifo:query_messages_checked_out/1),
       element(1, Ask(Q, fun rabbit_fifo:query_stat_dlx/1)),
       Ask(Q, fun rabbit_fifo:query_consumer_count/1)};
    rabbit_classic_queue ->
      [{_, Ready}, {_, Unacked}, {_, Consumers}] =
        rabbit_amqqueue:info(Q, [messages_ready, messages_unacknowledged, consumers]),
      {Ready, Unacked, 0, Consumers}
  end,
  io_lib:format("~s ~b ~b ~b ~b|", [Name, R, U, D, C])
  catch _:_ -> "" end || Q <- rabbit_amqqueue:list(VHOST)])"#;

impl RabbitNode {
    /// Makes a virtual host that `guest` may use.
    pub async fn add_vhost(&self, vhost: &str) {
        self.run(&format!(
            "rabbit_vhost:add({}, <<\"test\">>)",
            binary(vhost)
        ))
        .await;
        self.permit("guest", vhost).await;
    }

    /// Makes a virtual host that `guest` may use, in which a queue is of this type (`classic`,
    /// `quorum`) when its declaration does not say which.
    pub async fn add_vhost_with_default_queue_type(&self, vhost: &str, kind: &str) {
        self.run(&format!(
            "rabbit_vhost:add({}, #{{default_queue_type => {}}}, <<\"test\">>)",
            binary(vhost),
            binary(kind)
        ))
        .await;
        self.permit("guest", vhost).await;
    }

    /// Deletes a virtual host with everything in it; its connections are closed.
    pub async fn delete_vhost(&self, vhost: &str) {
        self.run(&format!(
            "rabbit_vhost:delete({}, <<\"test\">>)",
            binary(vhost)
        ))
        .await;
    }

    /// Makes a user with a password and without any right.
    pub async fn add_user(&self, user: &str, password: &str) {
        let (user, password) = (binary(user), binary(password));
        self.run(&format!(
            "rabbit_auth_backend_internal:add_user({user}, {password}, <<\"test\">>)"
        ))
        .await;
    }

    /// Gives a user all rights in a virtual host.
    pub async fn permit(&self, user: &str, vhost: &str) {
        let (user, vhost) = (binary(user), binary(vhost));
        self.run(&format!(
            "rabbit_auth_backend_internal:set_permissions({user}, {vhost}, <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"test\">>)"
        ))
        .await;
    }

    /// The queues of a virtual host. A queue that is just coming or going may be missing.
    ///
    /// # Errors
    ///
    /// When the node does not answer.
    pub async fn queues(&self, vhost: &str) -> Result<Vec<QueueDepth>, String> {
        let text = self.eval(&DEPTHS.replace("VHOST", &binary(vhost))).await?;
        let parse = |line: &str| {
            let mut fields = line.split(' ');
            let name = fields.next()?.to_owned();
            let mut number = || fields.next()?.parse().ok();
            Some(QueueDepth {
                name,
                ready: number()?,
                unacked: number()?,
                dead_lettering: number()?,
                consumers: number()?,
            })
        };
        let lines = text.split('|').filter(|line| !line.is_empty());
        lines
            .map(|line| parse(line).ok_or_else(|| format!("unreadable: {line}")))
            .collect()
    }

    /// One queue of a virtual host.
    ///
    /// # Errors
    ///
    /// When there is no such queue, with a text for [`eventually`](crate::eventually).
    pub async fn queue(&self, vhost: &str, name: &str) -> Result<QueueDepth, String> {
        let queues = self.queues(vhost).await?;
        let found = queues.iter().find(|queue| queue.name == name).cloned();
        found.ok_or_else(|| format!("no queue `{name}` among {queues:?}"))
    }

    /// Waits until a queue and its retry lanes hold nothing, in nobody's hands either.
    ///
    /// # Panics
    ///
    /// When that has not happened after a minute: something is stuck.
    #[track_caller]
    pub fn drained(&self, vhost: &str, queue: &str) -> impl Future<Output = ()> {
        let (lane, shared_lane) = (format!("{queue}.retry."), format!("{queue}_retry_3"));
        let what = format!("`{queue}` and its lanes are empty");
        eventually(PATIENCE, &what, async move || {
            let mut own = self.queues(vhost).await?;
            own.retain(|depth| {
                [queue, &shared_lane].contains(&depth.name.as_str())
                    || depth.name.starts_with(&lane)
            });
            let empty = own.iter().all(|depth| depth.messages() == 0);
            if empty && !own.is_empty() {
                Ok(())
            } else {
                Err(format!("{own:?}"))
            }
        })
    }

    /// Waits until a queue has a consumer; with that the service behind it has declared everything.
    ///
    /// # Panics
    ///
    /// When that has not happened after a minute.
    #[track_caller]
    pub fn consumes(&self, vhost: &str, queue: &str) -> impl Future<Output = ()> {
        eventually(
            PATIENCE,
            "the queue has a consumer",
            async move || match self.queue(vhost, queue).await? {
                QueueDepth { consumers: 0, .. } => Err("no consumer".to_owned()),
                _ => Ok(()),
            },
        )
    }

    /// How many connections clients have to a virtual host on this node.
    ///
    /// # Errors
    ///
    /// When the node does not answer.
    pub async fn connections(&self, vhost: &str) -> Result<usize, String> {
        let count = self
            .eval(&format!("length({})", connections_of(vhost)))
            .await?;
        count.parse().map_err(|_| format!("not a number: {count}"))
    }

    /// Closes every connection of a virtual host on this node as an operator does (320, with a text).
    pub async fn close_connections(&self, vhost: &str) {
        let all = connections_of(vhost);
        // One that its client closes in the same moment is closed as well.
        self.run(&format!(
            "[(catch rabbit_networking:close_connection(P, \"maintenance\")) || P <- {all}], ok"
        ))
        .await;
    }

    /// Kills every connection of a virtual host on this node: clients see a TCP reset.
    pub async fn reset_connections(&self, vhost: &str) {
        let all = connections_of(vhost);
        self.run(&format!("[exit(P, kill) || P <- {all}], ok"))
            .await;
    }

    /// Kills the process of a classic queue, and waits until its supervisor has started it again
    /// from disk. The broker renews its consumers' subscriptions by itself.
    pub async fn crash_classic_queue(&self, vhost: &str, queue: &str) {
        let (vhost, queue) = (binary(vhost), binary(queue));
        let lookup = format!("rabbit_amqqueue:lookup(rabbit_misc:r({vhost}, queue, {queue}))");
        let process = format!("{{ok, Q}} = {lookup}, P = amqqueue:get_pid(Q)");
        let old = self.run(&format!("{process}, exit(P, kill), P")).await;
        eventually(PATIENCE, "the queue runs again", async || {
            let now = self
                .eval(&format!("{process}, {{is_process_alive(P), P}}"))
                .await?;
            let again = now.starts_with("{true") && !now.contains(&old);
            if again {
                Ok(())
            } else {
                Err(format!("{now}, was {old}"))
            }
        })
        .await;
    }

    /// Sets the memory alarm: the broker stops reading from connections that publish.
    pub async fn raise_memory_alarm(&self) {
        self.run("vm_memory_monitor:set_vm_memory_high_watermark({absolute, 1000000})")
            .await;
        // The connections were told by whoever answers here; before that they take what is published.
        eventually(PATIENCE, "the alarm is raised", async || {
            match self.eval("rabbit_alarm:get_alarms()").await?.as_str() {
                "[]" => Err("no alarm".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
    }

    /// Clears the memory alarm.
    pub async fn clear_memory_alarm(&self) {
        self.run("vm_memory_monitor:set_vm_memory_high_watermark(0.4)")
            .await;
    }
}

fn connections_of(vhost: &str) -> String {
    let vhost = binary(vhost);
    format!(
        "[P || P <- rabbit_networking:local_connections(), (catch rabbit_reader:info(P, [vhost])) =:= [{{vhost, {vhost}}}]]"
    )
}
