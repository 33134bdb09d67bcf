"""The openai package's asynchronous client, of either major version."""

import openai

from cell import run_async

client = openai.AsyncOpenAI()


async def chat(request, seen):
    if not request.get("stream"):
        seen.whole(await client.chat.completions.create(**request))
        return
    async with await client.chat.completions.create(**request) as stream:
        async for chunk in stream:
            if seen.chunk(chunk):
                return


run_async(chat)
