"""aiohttp, as plain HTTP. It looks at proxy variables with trust_env alone."""

import aiohttp

from cell import headers, run_async, url
from raw import Refused, document, take_line


async def chat(request, seen):
    async with (
        aiohttp.ClientSession(trust_env=True) as session,
        session.post(url("/chat/completions"), json=request, headers=headers()) as reply,
    ):
        if reply.status != 200:
            raise Refused(reply.status, await reply.text())
        if not request.get("stream"):
            seen.whole(document(await reply.text()))
            return
        async for line in reply.content:
            if take_line(line.decode(), seen):
                return


run_async(chat)
