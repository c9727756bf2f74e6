"""What a user of aio-pika sees of the broker whose URL is the only argument."""

import asyncio
import functools
import sys

import aio_pika
from aio_pika import DeliveryMode, ExchangeType, Message
from aiormq.exceptions import AMQPError

from normal import say

PATIENCE = 20


async def told(case, attempt):
    """Does what the broker may refuse, and says what came of it."""
    try:
        await asyncio.wait_for(attempt, PATIENCE)
        say(case, refused=False)
    except AMQPError as error:
        # Errors of the broker have its text as their first argument or as their reason.
        text = getattr(error, "reason", None) or (error.args[0] if error.args else "")
        say(case, refused=type(error).__name__, text=str(text))


def show(case, message):
    info = {
        name: value
        for name, value in message.info().items()
        if value is not None and name not in ("consumer_tag", "cluster_id")
    }
    body = message.body if len(message.body) < 1000 else str(len(message.body))
    say(case, info=info, redelivered=message.redelivered, body=body)


async def holds(channel, queue, count):
    """Waits until so many messages are ready."""

    async def look():
        while True:
            declared = await channel.declare_queue(queue, passive=True)
            if declared.declaration_result.message_count == count:
                return
            await asyncio.sleep(0.02)

    await asyncio.wait_for(look(), PATIENCE)
    say("holds", queue=queue, ready=count)


async def refusals(url, connection):
    attempts = {
        "no queue": lambda c: c.get_queue("nothing"),
        "no exchange": lambda c: c.get_exchange("nothing"),
        "no exchange to publish to": lambda c: publish_nowhere(c),
        "other arguments": lambda c: c.declare_queue("work", durable=True, arguments={"x-max-length": 1}),
        "other auto-delete": lambda c: c.declare_queue("work", durable=True, auto_delete=True),
        "other kind": lambda c: c.declare_exchange("events", ExchangeType.FANOUT, durable=True),
        "reserved": lambda c: c.declare_queue("amq.mine"),
        "dead-letter key alone": lambda c: c.declare_queue(
            "odd", arguments={"x-dead-letter-routing-key": "x"}
        ),
        "priority too high": lambda c: c.declare_queue("odd", arguments={"x-max-priority": 256}),
        "no expiry at all": lambda c: c.declare_queue("odd", arguments={"x-expires": 0}),
        "odd overflow": lambda c: c.declare_queue("odd", arguments={"x-overflow": "sometimes"}),
        "exclusive of others": lambda c: c.get_queue("own"),
        "too long a life": lambda c: c.default_exchange.publish(
            Message(b"", expiration=400 * 365 * 24 * 3600), "work"
        ),
    }
    owner = await (await aio_pika.connect(url)).channel()
    await owner.declare_queue("own", exclusive=True)
    for case, attempt in attempts.items():
        channel = await connection.channel()
        await told(case, attempt(channel))
    await owner.channel.connection.close()
    await told("wrong password", aio_pika.connect(url.replace("guest@", "wrong@")))
    await told("no such vhost", aio_pika.connect(url.rsplit("/", 1)[0] + "/nowhere"))


async def publish_nowhere(channel):
    exchange = await channel.get_exchange("nothing", ensure=False)
    await exchange.publish(Message(b"x"), "key")


async def publishing(channel, events):
    for key in ["order.paid", "order", "invoice.paid", "none"]:
        message = Message(
            b"body of " + key.encode(),
            headers={"n": 7, "nested": {"a": [1, None, True, 2.5]}},
            delivery_mode=DeliveryMode.PERSISTENT,
            priority=3,
            correlation_id="c",
            reply_to="r",
            message_id="m",
            type="t",
            app_id="a",
        )
        await told(f"published {key}", events.publish(message, key, mandatory=True))
    work = await channel.get_queue("work")
    while (message := await work.get(fail=False, no_ack=False)) is not None:
        show("got", message)
        await message.ack()


async def settling(connection):
    """Two consumers, each with a prefetch of its own, and every way to settle."""
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=1)
    queue = await channel.declare_queue(
        "limited",
        durable=True,
        arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": 2,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "parked",
        },
    )
    await channel.declare_queue("parked", durable=True)
    for number in range(3):
        await channel.default_exchange.publish(Message(str(number).encode()), "limited")
    async with queue.iterator(timeout=PATIENCE) as messages:
        seen = 0
        async for message in messages:
            show("of quorum queue", message)
            if message.body == b"1":
                await message.reject(requeue=True)
            else:
                await message.ack()
            seen += 1
            if seen == 5:
                break
    await holds(channel, "parked", 1)
    parked = await channel.get_queue("parked")
    show("past the limit", await parked.get(no_ack=True))
    await channel.close()


async def ordering(connection):
    """Priorities of messages and of consumers, and one active consumer."""
    channel = await connection.channel()
    await channel.declare_queue("ranked", arguments={"x-max-priority": 5})
    for priority in [1, 9, 3, None, 5]:
        message = Message(str(priority).encode(), priority=priority)
        await channel.default_exchange.publish(message, "ranked")
    ranked = await channel.get_queue("ranked")
    order = [(await ranked.get(no_ack=True)).body for _ in range(5)]
    say("by priority", order=order)

    queue = await channel.declare_queue("single", arguments={"x-single-active-consumer": True})
    heard = asyncio.Queue()

    def hear(name):
        async def one(message):
            await heard.put((name, message.body))
            await message.ack()

        return one

    first = await queue.consume(hear("first"))
    await queue.consume(hear("second"))
    for number in range(2):
        await channel.default_exchange.publish(Message(str(number).encode()), "single")
        say("active", who=await asyncio.wait_for(heard.get(), PATIENCE))
    await queue.cancel(first)
    await channel.default_exchange.publish(Message(b"2"), "single")
    say("active", who=await asyncio.wait_for(heard.get(), PATIENCE))
    await channel.close()


async def waiting(connection):
    """A queue whose messages come back after a while, and one that goes when nobody uses it."""
    channel = await connection.channel()
    await channel.declare_queue("back")
    await channel.declare_queue(
        "lane",
        arguments={
            "x-message-ttl": 50,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "back",
        },
    )
    message = Message(b"later", message_id="1", headers={"x-death": [{"count": 7}]})
    await channel.default_exchange.publish(message, "lane")
    await holds(channel, "back", 1)
    back = await channel.get_queue("back")
    show("came back", await back.get(no_ack=True))
    await channel.declare_queue("short-lived", arguments={"x-expires": 30})

    async def gone():
        while True:
            probe = await connection.channel()
            try:
                await probe.get_queue("short-lived")
            except AMQPError:
                return
            # A passive declare is a use: it must not come more often than the queue expires.
            await asyncio.sleep(0.1)

    await asyncio.wait_for(gone(), PATIENCE)
    say("expired", queue="short-lived")


async def alternatives(connection):
    """What one exchange cannot route, another gets; and bindings between exchanges."""
    channel = await connection.channel()
    rest = await channel.declare_exchange("rest", ExchangeType.FANOUT)
    known = await channel.declare_exchange(
        "known", ExchangeType.DIRECT, arguments={"alternate-exchange": "rest"}
    )
    unknown = await channel.declare_queue("unknown")
    await unknown.bind(rest)
    await known.publish(Message(b"?"), "nowhere", mandatory=True)
    show("unroutable", await unknown.get(no_ack=True))
    entry = await channel.declare_exchange("entry", ExchangeType.TOPIC, internal=False)
    await rest.bind(entry, "#")
    await entry.publish(Message(b"!"), "any.key")
    show("through two", await unknown.get(no_ack=True))
    say("purged", count=(await unknown.purge()).message_count)
    say("deleted", count=(await unknown.delete()).message_count)


async def main(url):
    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    queue = await channel.declare_queue("work", durable=True)
    result = queue.declaration_result
    say("declared", ready=result.message_count, consumers=result.consumer_count)
    events = await channel.declare_exchange("events", ExchangeType.TOPIC, durable=True)
    for pattern in ["order.#", "*.paid"]:
        await queue.bind(events, pattern)
    await refusals(url, connection)
    await publishing(channel, events)
    await settling(connection)
    await ordering(connection)
    await waiting(connection)
    await alternatives(connection)
    for name in ["work", "limited", "parked", "ranked", "back", "lane", "single"]:
        deleted = await channel.queue_delete(name)
        say("deleted", queue=name, held=deleted.message_count)
    await connection.close()
    say("done")


asyncio.run(main(sys.argv[1]))
