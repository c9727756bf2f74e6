"""What a user of pika's blocking connection sees of the broker whose URL is the only argument."""

import functools
import sys
import time

import pika
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    NackError,
    UnroutableError,
)

from normal import say

PERSISTENT = pika.BasicProperties(delivery_mode=2)
PATIENCE = 20


def connect(url, **changes):
    parameters = pika.URLParameters(url)
    for name, value in changes.items():
        setattr(parameters, name, value)
    return pika.BlockingConnection(parameters)


def told(case, attempt):
    """Does what the broker may refuse, and says what came of it."""
    try:
        attempt()
        say(case, refused=False)
    except (ChannelClosedByBroker, ConnectionClosedByBroker) as error:
        say(case, refused=type(error).__name__, code=error.reply_code, text=error.reply_text)
    except AMQPConnectionError as error:
        say(case, refused=type(error).__name__)


def properties(message):
    return {
        name: value
        for name, value in vars(message).items()
        if value is not None and not name.startswith("_")
    }


def show(case, got):
    method, message, body = got
    if method is None:
        say(case, empty=True)
        return
    say(
        case,
        exchange=method.exchange,
        key=method.routing_key,
        redelivered=method.redelivered,
        tag=method.delivery_tag,
        left=getattr(method, "message_count", None),
        properties=properties(message),
        body=body,
    )


def wait_for(channel, queue, count):
    """Waits until so many messages are ready."""
    end = time.monotonic() + PATIENCE
    while True:
        frame = channel.queue_declare(queue, passive=True)
        if frame.method.message_count == count or time.monotonic() > end:
            say("waited", queue=queue, ready=frame.method.message_count)
            return
        time.sleep(0.02)


def opening(url):
    connection = connect(url)
    capabilities = connection._impl.server_capabilities
    say("open", capabilities=capabilities, channels=connection._impl.params.channel_max)
    connection.close()
    wrong = pika.PlainCredentials("guest", "wrong")
    told("wrong password", lambda: connect(url, credentials=wrong))
    told("no such vhost", lambda: connect(url, virtual_host="nowhere"))
    told("small frames", lambda: connect(url, frame_max=4096).close())


def declaring(channel):
    for queue, options in {
        "durable": {"durable": True},
        "transient": {},
        "own": {"exclusive": True},
        "": {"exclusive": True, "auto_delete": True},
        "quorum": {"durable": True, "arguments": {"x-queue-type": "quorum"}},
        "limited": {"arguments": {"x-max-length": 2, "x-overflow": "reject-publish"}},
    }.items():
        method = channel.queue_declare(queue, **options).method
        say("declared", queue=method.queue, ready=method.message_count, of=method.consumer_count)
    for name in ["direct", "fanout", "topic", "headers"]:
        channel.exchange_declare(f"e.{name}", name)
        channel.exchange_declare(f"e.{name}", passive=True)
    channel.queue_bind("durable", "e.topic", "a.#")
    channel.queue_bind("durable", "e.headers", arguments={"x-match": "any", "a": 1, "b": "2"})
    channel.exchange_bind("e.topic", "e.fanout")
    channel.queue_unbind("durable", "e.topic", "never.bound")


def refusals(url):
    other = connect(url)
    owner = other.channel()
    owner.queue_declare("others", exclusive=True)
    attempts = {
        "no queue": lambda c: c.queue_declare("nothing", passive=True),
        "no exchange": lambda c: c.exchange_declare("nothing", passive=True),
        "no queue to consume": lambda c: c.basic_consume("nothing", print),
        "no queue to get from": lambda c: c.basic_get("nothing"),
        "no queue to bind": lambda c: c.queue_bind("nothing", "e.topic", ""),
        "no exchange to bind": lambda c: c.queue_bind("durable", "nothing", ""),
        "other durability": lambda c: c.queue_declare("durable"),
        "other type": lambda c: c.queue_declare("quorum", durable=True),
        "other ttl": lambda c: c.queue_declare(
            "durable", durable=True, arguments={"x-message-ttl": 1}
        ),
        "other limit": lambda c: c.queue_declare(
            "limited", arguments={"x-max-length": 3, "x-overflow": "reject-publish"}
        ),
        "other kind": lambda c: c.exchange_declare("e.topic", "direct"),
        "unknown kind": lambda c: c.exchange_declare("e.odd", "odd"),
        "reserved queue": lambda c: c.queue_declare("amq.mine"),
        "reserved exchange": lambda c: c.exchange_declare("amq.mine"),
        "default exchange": lambda c: c.queue_bind("durable", "", "x"),
        "others' queue": lambda c: c.queue_declare("others", passive=True),
        "negative ttl": lambda c: c.queue_declare("odd", arguments={"x-message-ttl": -1}),
        "ttl of text": lambda c: c.queue_declare("odd", arguments={"x-message-ttl": "1"}),
        "unused only": lambda c: (c.basic_consume("durable", print), c.queue_delete("durable", True)),
        "empty only": lambda c: (
            c.confirm_delivery(),
            c.basic_publish("", "durable", b"x"),
            c.queue_delete("durable", if_empty=True),
        ),
        "unknown tag": lambda c: (c.basic_ack(7), c.queue_declare("durable", passive=True)),
        "tag twice": lambda c: (
            c.basic_get("durable", auto_ack=True),
            c.basic_ack(1),
            c.queue_declare("durable", passive=True),
        ),
        "exclusive use": lambda c: (
            c.basic_consume("durable", print),
            c.basic_consume("durable", print, exclusive=True),
        ),
        "tx after confirms": lambda c: (c.confirm_delivery(), c.tx_select()),
        "commit without tx": lambda c: c.tx_commit(),
        "same tag again": lambda c: (
            c.basic_consume("durable", print, consumer_tag="t"),
            c._impl.basic_consume("durable", print, consumer_tag="u", exclusive=True),
            c.queue_declare("durable", passive=True),
        ),
    }
    for case, attempt in attempts.items():
        connection = connect(url)
        channel = connection.channel()
        told(case, functools.partial(attempt, channel))
        if connection.is_open:
            connection.close()
    other.close()


def publishing(channel):
    channel.confirm_delivery()
    for exchange, key, headers in [
        ("", "durable", {"n": 1, "t": "x", "b": True, "list": [1, "2"], "none": None}),
        ("e.topic", "a.b.c", {}),
        ("e.topic", "b", {}),
        ("e.fanout", "a", {}),
        ("e.headers", "", {"b": "2"}),
        ("e.headers", "", {"a": 2}),
        ("", "nothing", {}),
    ]:
        sent = pika.BasicProperties(
            headers=headers, delivery_mode=2, message_id="m", content_type="text/plain", priority=1
        )
        try:
            channel.basic_publish(exchange, key, b"body", sent, mandatory=True)
            say("confirmed", to=exchange, key=key)
        except UnroutableError as error:
            for one in error.messages:
                method = one.method
                say("returned", code=method.reply_code, text=method.reply_text, body=one.body)
    for body in [b"", b"x" * 300_000]:
        channel.basic_publish("", "durable", body, PERSISTENT)
    for _ in range(3):
        try:
            channel.basic_publish("", "limited", b"x")
            say("confirmed", to="limited")
        except NackError:
            say("nacked", to="limited")
    while True:
        method, message, body = channel.basic_get("durable", auto_ack=True)
        if method is None:
            break
        show("stored", (method, message, body if len(body) < 1000 else str(len(body))))
    say("purged", count=channel.queue_purge("limited").method.message_count)


def consuming(connection):
    channel = connection.channel()
    for number in range(6):
        channel.basic_publish("", "durable", str(number).encode(), PERSISTENT)
    channel.basic_qos(prefetch_count=2)
    got = []
    tag = channel.basic_consume("durable", lambda c, m, p, b: got.append((m, p, b)))
    say("consuming", tag="generated" if tag.startswith("ctag") else tag)

    def take(count):
        end = time.monotonic() + PATIENCE
        while len(got) < count and time.monotonic() < end:
            connection.process_data_events(0.05)
        taken, got[:] = got[:count], got[count:]
        for one in taken:
            show("delivered", one)
        return [one[0].delivery_tag for one in taken]

    first, second = take(2)
    connection.process_data_events(0.2)
    say("prefetch holds", more=len(got))
    channel.basic_nack(second, requeue=True)
    (again,) = take(1)
    channel.basic_ack(again, multiple=True)
    third, fourth = take(2)
    channel.basic_reject(third, requeue=False)
    channel.basic_ack(fourth)
    (fifth, *_) = take(2)
    channel.basic_recover(requeue=True)
    sixth = take(2)
    channel.basic_ack(sixth[-1], multiple=True)
    channel.basic_cancel(tag)
    wait_for(channel, "durable", 0)
    channel.close()


def cancelled(connection):
    """The queue of a consumer is deleted."""
    channel, other = connection.channel(), connection.channel()
    channel.queue_declare("doomed")
    heard = []
    channel.add_on_cancel_callback(lambda frame: heard.append(frame.method.consumer_tag))
    channel.basic_consume("doomed", print, consumer_tag="mine")
    say("deleted", held=other.queue_delete("doomed").method.message_count)
    end = time.monotonic() + PATIENCE
    while not heard and time.monotonic() < end:
        connection.process_data_events(0.05)
    say("cancelled", tags=heard)


def dying(connection):
    """Messages that expire, are rejected, or are one too many."""
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("dead")
    target = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    channel.queue_declare("short", arguments={"x-message-ttl": 30, **target})
    channel.queue_declare("long", arguments=target)
    channel.queue_declare("small", arguments={"x-max-length": 1, **target})
    message = pika.BasicProperties(headers={"k": "v"}, message_id="1")
    channel.basic_publish("", "short", b"by queue", message)
    wait_for(channel, "dead", 1)
    expiring = pika.BasicProperties(expiration="20")
    channel.basic_publish("", "long", b"by itself", expiring)
    wait_for(channel, "dead", 2)
    channel.basic_publish("", "long", b"rejected", message)
    method, _, _ = channel.basic_get("long")
    channel.basic_reject(method.delivery_tag, requeue=False)
    wait_for(channel, "dead", 3)
    channel.basic_publish("", "small", b"pushed out", message)
    channel.basic_publish("", "small", b"stays", message)
    wait_for(channel, "dead", 4)
    for _ in range(4):
        show("dead", channel.basic_get("dead", auto_ack=True))
    # Out of a queue, back into it, out again.
    cycle = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "there"}
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "here"}
    channel.queue_declare("here", arguments=cycle)
    channel.queue_declare("there", arguments={"x-message-ttl": 10, **back})
    channel.basic_publish("", "here", b"round", message)
    for _ in range(3):
        wait_for(channel, "here", 1)
        method, properties, body = channel.basic_get("here")
        show("round", (method, properties, body))
        channel.basic_reject(method.delivery_tag, requeue=False)
    channel.close()


def transactions(connection):
    channel = connection.channel()
    channel.tx_select()
    channel.basic_publish("", "durable", b"kept")
    channel.tx_commit()
    channel.basic_publish("", "durable", b"dropped")
    channel.tx_rollback()
    wait_for(channel, "durable", 1)
    show("committed", channel.basic_get("durable"))
    channel.basic_ack(1)
    channel.tx_rollback()
    channel.close()
    channel = connection.channel()
    wait_for(channel, "durable", 1)
    show("taken back", channel.basic_get("durable", auto_ack=True))


def main(url):
    opening(url)
    connection = connect(url)
    channel = connection.channel()
    declaring(channel)
    refusals(url)
    channel.queue_purge("durable")
    publishing(channel)
    consuming(connection)
    cancelled(connection)
    dying(connection)
    transactions(connection)
    for queue in ["durable", "quorum", "limited", "transient"]:
        say("deleted", queue=queue, held=channel.queue_delete(queue).method.message_count)
    connection.close()
    say("done")


main(sys.argv[1])
