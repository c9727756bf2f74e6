// The contender on amqplib: its promises, and one callback.
'use strict';

const amqp = require('amqplib');

const since = process.hrtime.bigint();
const count = Number(process.env.BENCH_COUNT);
const queue = process.env.BENCH_QUEUE;

function say(event) {
  process.stdout.write(`${JSON.stringify({ event, ns: Number(process.hrtime.bigint() - since) })}\n`);
}

async function main() {
  const connection = await amqp.connect(process.env.BENCH_URL);
  const channel = await connection.createChannel();
  await channel.prefetch(Number(process.env.BENCH_PREFETCH));
  let handled = 0;
  await channel.consume(queue, async (message) => {
    if (handled === 0) say('first');
    const order = JSON.parse(message.content.toString());
    void (order.order_id + order.cents);
    channel.ack(message);
    handled += 1;
    if (handled === count) {
      // An answer comes after everything that was buffered before its question: the acks are written.
      await channel.checkQueue(queue);
      say('done');
    }
  });
  // Until the runner has read what this process cost.
  process.stdin.once('end', () => connection.close());
  process.stdin.resume();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
