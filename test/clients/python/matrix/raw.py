"""Chats without an SDK: what the programs for plain HTTP clients share."""

import json
from types import SimpleNamespace


class Refused(Exception):
    """A status that is no success."""

    def __init__(self, status, body):
        super().__init__(f"status {status}: {body}")
        self.status_code = status


def document(text):
    return json.loads(text, object_hook=lambda members: SimpleNamespace(**members))


def take_line(line, seen):
    """Takes a line of an event stream. Tells whether the stream is at its end, or
    the application has had enough of it."""
    if not line.startswith("data:"):
        return False
    data = line.removeprefix("data:").strip()
    if data == "[DONE]":
        return True
    event = document(data)
    if hasattr(event, "error"):
        raise Refused(200, event.error.message)
    return seen.chunk(event)
