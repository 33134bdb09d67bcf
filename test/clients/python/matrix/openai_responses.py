"""The openai package's Responses API. OPENAI_API=chat_completions is for endpoints
without it."""

import os

import openai

from cell import run
from responses import input_items, tools

client = openai.OpenAI()


def chat(request, seen):
    params = {"model": request["model"], "input": input_items(request["messages"]), "tools": tools(request)}
    if not request.get("stream"):
        take(seen, client.responses.create(**params))
        return
    with client.responses.create(**params, stream=True) as events:
        for event in events:
            if event.type == "response.created":
                seen.named(event.response.model)
            if event.type == "response.output_text.delta":
                seen.choice()["text"] += event.delta
                if seen.event(event.delta):
                    return
            if event.type == "response.completed":
                take(seen, event.response)
                return
    raise RuntimeError("the stream has ended without response.completed")


def take(seen, response):
    seen.named(response.model)
    seen.choice()["text"] = response.output_text
    for item in response.output:
        if item.type == "function_call":
            seen.tool(0, item.name, item.arguments)
    seen.usage = [response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens]


def plain_chat(request, seen):
    """The same on chat completions, to compare with."""
    if not request.get("stream"):
        seen.whole(client.chat.completions.create(**request))
    else:
        with client.chat.completions.create(**request) as stream:
            for chunk in stream:
                said = seen.take(chunk, "delta").removeprefix("0:")
                if said and seen.event(said):
                    return
    seen.choice()["finish"] = ""  # a response has another word for it


run(plain_chat if os.environ.get("OPENAI_API") == "chat_completions" else chat)
