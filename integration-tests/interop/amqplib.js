// What a user of Node's amqplib sees of the broker whose URL is the only argument.

"use strict";

const { once } = require("node:events");
const amqplib = require("amqplib");

const PATIENCE = 20_000;

/** A value without what differs from run to run, its keys sorted. */
function plain(value) {
  if (Buffer.isBuffer(value)) return plain(value.toString());
  if (typeof value === "string") return value.replace(/amq\.(gen|ctag)-[\w-]+/g, "amq.$1");
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") {
    if (value["!"] === "timestamp") return "time";
    const keys = Object.keys(value).sort();
    return Object.fromEntries(keys.map((key) => [key, plain(value[key])]));
  }
  return value;
}

/** Prints one observation. */
function say(seen, more = {}) {
  console.log(JSON.stringify(plain({ case: seen, ...more })));
}

function show(seen, message) {
  if (!message) return say(seen, { empty: true });
  const set = Object.entries(message.properties).filter(([, value]) => value !== undefined);
  const { consumerTag, ...fields } = message.fields;
  say(seen, { fields, properties: Object.fromEntries(set), body: message.content });
}

function within(promise) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error("nothing came in time")), PATIENCE).unref();
  });
  return Promise.race([promise, late]);
}

/** Waits until so many messages are ready. */
async function holds(channel, queue, count) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const { messageCount } = await channel.checkQueue(queue);
    if (messageCount === count || Date.now() > end) return say("holds", { queue, messageCount });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Does what the broker may refuse, on a connection of its own, and says what came of it. */
async function told(seen, url, attempt) {
  const connection = await amqplib.connect(url);
  connection.on("error", () => {});
  const channel = await connection.createConfirmChannel();
  const failed = once(channel, "error").then(([error]) => error);
  failed.catch(() => {});
  try {
    await within(Promise.race([attempt(channel), failed.then((error) => Promise.reject(error))]));
    say(seen, { refused: false });
  } catch (error) {
    say(seen, { refused: true, code: error.code, text: error.message });
  }
  await connection.close().catch(() => {});
}

async function refusals(url) {
  const tag = { fields: { deliveryTag: 9 } };
  const attempts = {
    "no queue": (c) => c.checkQueue("nothing"),
    "no exchange": (c) => c.checkExchange("nothing"),
    "no exchange to publish to": async (c) => {
      c.publish("nothing", "", Buffer.from("x"));
      await c.waitForConfirms();
    },
    "other durability": (c) => c.assertQueue("q", { durable: false }),
    "other arguments": (c) => c.assertQueue("q", { deadLetterExchange: "dead" }),
    "other alternate": (c) => c.assertExchange("x", "topic", { alternateExchange: "y" }),
    reserved: (c) => c.assertQueue("amq.q"),
    "reserved exchange": (c) => c.deleteExchange("amq.direct"),
    "in use": (c) => c.deleteExchange("x", { ifUnused: true }),
    "unknown tag": async (c) => {
      c.ack(tag);
      await c.checkQueue("q");
    },
    "unknown tag nacked": async (c) => {
      c.nack(tag);
      await c.checkQueue("q");
    },
    "exclusive consumer": async (c) => {
      await c.consume("q", () => {}, { exclusive: true });
      await c.consume("q", () => {});
    },
    "odd expiration": async (c) => {
      c.sendToQueue("q", Buffer.from("x"), { expiration: "soon" });
      await c.waitForConfirms();
    },
    "somebody else's id": async (c) => {
      c.sendToQueue("q", Buffer.from("x"), { userId: "somebody" });
      await c.waitForConfirms();
    },
    "consumer priority of text": (c) => c.consume("q", () => {}, { arguments: { "x-priority": "1" } }),
    "global prefetch of a quorum queue": async (c) => {
      await c.prefetch(1, true);
      await c.consume("quorum", () => {});
    },
  };
  for (const [seen, attempt] of Object.entries(attempts)) await told(seen, url, attempt);
}

async function publishing(connection) {
  const channel = await connection.createConfirmChannel();
  const options = {
    mandatory: true,
    persistent: true,
    contentType: "application/json",
    contentEncoding: "utf-8",
    headers: { n: 1, text: "x", list: [1, "a"], table: { yes: true }, big: 2 ** 40, real: 1.5 },
    correlationId: "c",
    replyTo: "r",
    messageId: "m",
    timestamp: 1_700_000_000,
    type: "t",
    appId: "a",
    priority: 2,
    CC: ["copy"],
    BCC: ["blind"],
  };
  channel.on("return", (message) => show("returned", message));
  channel.publish("x", "a.b", Buffer.from("routed"), options);
  channel.publish("x", "nowhere", Buffer.from("lost"), { mandatory: true });
  channel.sendToQueue("q", Buffer.alloc(200_000));
  await within(channel.waitForConfirms());
  say("confirmed");
  for (const queue of ["q", "copy", "blind"]) await holds(channel, queue, queue === "q" ? 2 : 1);
  for (const queue of ["q", "copy", "blind"]) show(queue, await channel.get(queue, { noAck: true }));
  say("purged", await channel.purgeQueue("q"));
  await channel.close();
}

async function consuming(connection) {
  const channel = await connection.createChannel();
  const waiting = [];
  const wanting = [];
  const hear = (message) => (wanting.length ? wanting.shift()(message) : waiting.push(message));
  const next = () =>
    within(waiting.length ? waiting.shift() : new Promise((resolve) => wanting.push(resolve)));
  await channel.prefetch(2);
  const { consumerTag } = await channel.consume("q", hear);
  say("consuming", { consumerTag });
  for (const body of ["a", "b", "c", "d"]) channel.sendToQueue("q", Buffer.from(body));
  const [a, b] = [await next(), await next()];
  show("delivered", a);
  show("delivered", b);
  channel.nack(a, false, true);
  const again = await next();
  show("again", again);
  channel.ack(again, true);
  const [c, d] = [await next(), await next()];
  show("delivered", c);
  channel.nack(d, true, true);
  const back = [await next(), await next()];
  for (const message of back) show("both again", message);
  await channel.recover();
  for (const message of [await next(), await next()]) show("recovered", message);
  await channel.deleteQueue("q");
  say("cancelled", { message: await next() });
  await channel.close();
}

/** Answers to a channel without a queue. */
async function answering(connection) {
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue("", { exclusive: true });
  say("named", { queue });
  await channel.consume(queue, (message) => {
    channel.sendToQueue(message.properties.replyTo, Buffer.from(`answer to ${message.content}`));
    channel.ack(message);
  });
  const answer = new Promise((resolve) =>
    channel.consume("amq.rabbitmq.reply-to", resolve, { noAck: true }),
  );
  channel.sendToQueue(queue, Buffer.from("question"), { replyTo: "amq.rabbitmq.reply-to" });
  const message = await within(answer);
  say("answered", { body: message.content, exchange: message.fields.exchange });
  await channel.close();
}

async function dying(connection) {
  const channel = await connection.createConfirmChannel();
  await channel.assertExchange("dead", "topic", { durable: false });
  await channel.assertQueue("grave", { durable: false });
  await channel.bindQueue("grave", "dead", "#");
  const options = { durable: false, deadLetterExchange: "dead" };
  await channel.assertQueue("brief", { ...options, messageTtl: 30 });
  await channel.assertQueue("full", { ...options, maxLength: 1, deadLetterRoutingKey: "too.many" });
  channel.sendToQueue("brief", Buffer.from("1"), { headers: { k: 1 }, expiration: "10" });
  await holds(channel, "grave", 1);
  for (const body of ["2", "3"]) channel.sendToQueue("full", Buffer.from(body), { CC: ["nowhere"] });
  await holds(channel, "grave", 2);
  const rejected = await channel.get("full");
  channel.nack(rejected, false, false);
  await holds(channel, "grave", 3);
  for (let i = 0; i < 3; i++) show("dead", await channel.get("grave", { noAck: true }));
  await channel.close();
}

async function main(url) {
  const connection = await amqplib.connect(url);
  const { capabilities } = connection.connection.serverProperties;
  say("open", { capabilities });
  const channel = await connection.createChannel();
  say("declared", await channel.assertQueue("q"));
  for (const queue of ["copy", "blind"]) await channel.assertQueue(queue, { autoDelete: true });
  await channel.assertQueue("quorum", { arguments: { "x-queue-type": "quorum" } });
  await channel.assertExchange("x", "topic");
  await channel.bindQueue("q", "x", "a.*");
  await refusals(url);
  for (const queue of ["copy", "blind"]) {
    await channel.bindQueue(queue, "x", queue);
  }
  await publishing(connection);
  await consuming(connection);
  await answering(connection);
  await dying(connection);
  say("deleted", await channel.deleteQueue("quorum"));
  await connection.close();
  const wrong = await amqplib.connect(url.replace("guest@", "wrong@")).catch((error) => error);
  say("wrong password", { text: wrong.message });
  say("done");
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
