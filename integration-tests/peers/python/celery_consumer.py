"""The contender on Celery: a task with late acks, in a worker as its documentation tunes one for throughput."""

import json
import os
import sys
import threading
import time
import warnings

from celery import Celery
from celery.platforms import SecurityWarning
from kombu import Queue

# Whoever measures may be root.
warnings.simplefilter("ignore", SecurityWarning)

since = time.monotonic_ns()
count = int(os.environ["BENCH_COUNT"])
handled = 0


def say(event):
    print(json.dumps({"event": event, "ns": time.monotonic_ns() - since}), flush=True)


app = Celery("bench", broker=os.environ["BENCH_URL"])
app.conf.update(
    # The queue is there, with arguments that are not this worker's.
    task_queues=[
        Queue(
            os.environ["BENCH_QUEUE"],
            queue_arguments={"x-queue-type": "quorum"},
            no_declare=True,
        )
    ],
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=int(os.environ["BENCH_PREFETCH"]),
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    # Remote control makes queues that RabbitMQ 4 no longer has.
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="bench.charge")
def charge(order):
    global handled
    if handled == 0:
        say("first")
    order["order_id"], order["cents"]
    handled += 1
    # Its ack follows; whoever measures looks whether it did.
    if handled == count:
        say("done")


def until_told():
    # Until the runner has read what this process cost.
    sys.stdin.readline()
    os._exit(0)


threading.Thread(target=until_told, daemon=True).start()
app.worker_main(
    [
        "--quiet",
        "worker",
        # One worker, in this process: no pipe to a child, and its cost is counted.
        "--pool=solo",
        "--concurrency=1",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        "--loglevel=ERROR",
    ]
)
