"""httpx, as plain HTTP."""

import httpx

from cell import headers, run, url
from raw import Refused, document, take_line

client = httpx.Client(timeout=60)


def chat(request, seen):
    with client.stream("POST", url("/chat/completions"), json=request, headers=headers()) as reply:
        if reply.status_code != 200:
            raise Refused(reply.status_code, reply.read().decode())
        if not request.get("stream"):
            seen.whole(document(reply.read()))
            return
        for line in reply.iter_lines():
            if take_line(line, seen):
                return


run(chat)
