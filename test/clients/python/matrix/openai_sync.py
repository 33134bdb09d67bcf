"""The openai package, of either major version."""

import openai

from cell import run

client = openai.OpenAI()


def chat(request, seen):
    if not request.get("stream"):
        seen.whole(client.chat.completions.create(**request))
        return
    with client.chat.completions.create(**request) as stream:
        for chunk in stream:
            if seen.chunk(chunk):
                return


run(chat)
