"""What two programs share: lines of JSON without what differs from run to run."""

import datetime
import json
import re

GENERATED = re.compile(r"amq\.(gen|ctag)-[\w-]+")
# What aio-pika gives a message that has no id.
ID = re.compile(r"^[0-9a-f]{32}$")


def plain(value):
    """A value as JSON knows it."""
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (bytes, bytearray)):
        return plain(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, datetime.datetime):
        return "time"
    if isinstance(value, str):
        return ID.sub("id", GENERATED.sub(r"amq.\1", value))
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return f"{type(value).__name__} {value}"


def say(case, **seen):
    """Prints one observation."""
    print(json.dumps({"case": case, **plain(seen)}, sort_keys=True), flush=True)
