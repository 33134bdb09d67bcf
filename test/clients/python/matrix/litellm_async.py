"""litellm's asynchronous calls, which go by aiohttp. It fetches a list of prices
from the internet unless told to use its own."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

from cell import run_async

litellm.suppress_debug_info = True  # it goes to standard output


async def chat(request, seen):
    reply = await litellm.acompletion(**{**request, "model": "openai/" + request["model"]})
    if not request.get("stream"):
        seen.whole(reply)
        return
    async for chunk in reply:
        if seen.chunk(chunk):
            await reply.aclose()
            return


run_async(chat)
