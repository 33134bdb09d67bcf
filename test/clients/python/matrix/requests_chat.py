"""requests, as plain HTTP."""

import requests

from cell import headers, run, url
from raw import Refused, document, take_line

session = requests.Session()


def chat(request, seen):
    stream = request.get("stream", False)
    with session.post(url("/chat/completions"), json=request, headers=headers(), stream=stream, timeout=60) as reply:
        if reply.status_code != 200:
            raise Refused(reply.status_code, reply.text)
        if not stream:
            seen.whole(document(reply.text))
            return
        reply.encoding = "utf-8"
        for line in reply.iter_lines(decode_unicode=True):
            if take_line(line, seen):
                return


run(chat)
