"""The contender on pika: BlockingConnection and a callback, as pika's documentation shows it."""

import json
import os
import sys
import time

import pika

since = time.monotonic_ns()
count = int(os.environ["BENCH_COUNT"])
handled = 0


def say(event):
    print(json.dumps({"event": event, "ns": time.monotonic_ns() - since}), flush=True)


def on_message(channel, method, _properties, body):
    global handled
    if handled == 0:
        say("first")
    order = json.loads(body)
    order["order_id"], order["cents"]
    channel.basic_ack(method.delivery_tag)
    handled += 1
    if handled == count:
        say("done")
        # Until the runner has read what this process cost.
        sys.stdin.readline()
        channel.stop_consuming()


connection = pika.BlockingConnection(pika.URLParameters(os.environ["BENCH_URL"]))
channel = connection.channel()
channel.basic_qos(prefetch_count=int(os.environ["BENCH_PREFETCH"]))
channel.basic_consume(os.environ["BENCH_QUEUE"], on_message)
channel.start_consuming()
connection.close()
