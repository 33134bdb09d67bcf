"""litellm. It fetches a list of prices from the internet unless told to use its own."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

from cell import run

litellm.suppress_debug_info = True  # it goes to standard output


def chat(request, seen):
    reply = litellm.completion(**{**request, "model": "openai/" + request["model"]})
    if not request.get("stream"):
        seen.whole(reply)
        return
    for chunk in reply:
        if seen.chunk(chunk):
            reply.completion_stream.close()
            return


run(chat)
