"""What every program of the matrix shares. Scenarios come as a JSON array on
standard input, {name, request, stop_after}; what the application saw of each goes
as a JSON array to standard output.

request is a chat completion as OpenAI's API has it. stop_after is the number of
events after which the application gives a stream up; 0 means never.
"""

import asyncio
import json
import os
import sys


class Seen:
    """What an application saw of one chat."""

    def __init__(self, stop_after):
        self._stop_after = stop_after
        self.choices, self.usage, self.events, self.model = [], None, [], None

    def choice(self, index=0):
        while len(self.choices) <= index:
            self.choices.append({"text": "", "finish": "", "tools": []})
        return self.choices[index]

    def event(self, text):
        """Notes an event of a stream, and tells whether there were enough."""
        self.events.append(text)
        return self.gave_up()

    def gave_up(self):
        """Tells whether the application has had enough of the stream."""
        return 0 < self._stop_after <= len(self.events)

    def tool(self, index, name, arguments):
        """Adds a call, or the next piece of the last one."""
        tools = self.choice(index)["tools"]
        if name:
            tools.append({"name": name, "arguments": ""})
        tools[-1]["arguments"] += arguments if isinstance(arguments, str) else compact(arguments)

    def whole(self, completion):
        """Takes a chat.completion, in the form of the openai package."""
        self.take(completion, "message")

    def chunk(self, chunk):
        """Takes a chat.completion.chunk, and tells whether there were enough."""
        text = self.take(chunk, "delta")
        return self.event(text)

    def take(self, document, member):
        """Takes a completion's message or a chunk's delta, and gives the text of each choice."""
        usage, said = getattr(document, "usage", None), []
        self.named(document.model)
        if usage is not None:
            self.usage = [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]
        for one in document.choices:
            message, choice = getattr(one, member), self.choice(one.index)
            text = getattr(message, "content", None) or ""
            choice["text"] += text
            choice["finish"] = getattr(one, "finish_reason", None) or choice["finish"]
            said.append(f"{one.index}:{text}")
            for call in getattr(message, "tool_calls", None) or []:
                self.tool(one.index, getattr(call.function, "name", None), getattr(call.function, "arguments", None) or "")
        return " ".join(said)

    def named(self, model):
        """Notes the model that a document names; two names are one too many."""
        if self.model not in (None, model):
            raise ValueError(f"the model is {self.model} and {model}")
        self.model = model

    def answer(self):
        return {"choices": self.choices, "usage": self.usage, "events": self.events, "model": self.model}


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def failure(err):
    """An exception as the user of the application gets to see it."""
    said, seen = [], err
    while seen is not None:
        said.append(f"{type(seen).__name__}: {seen}")
        seen = seen.__cause__
    return {"error": {"status": getattr(err, "status_code", None) or 0, "message": "\n".join(said)}}


def run(chat):
    """Has one chat a scenario: chat(request, seen)."""
    answers = []
    for scenario in json.load(sys.stdin):
        seen = Seen(scenario["stop_after"])
        try:
            chat(scenario["request"], seen)
            answers.append(seen.answer())
        except Exception as err:
            answers.append(failure(err))
    write(answers)


def run_async(chat):
    """Is run for a chat that is awaited."""

    async def main():
        answers = []
        for scenario in json.load(sys.stdin):
            seen = Seen(scenario["stop_after"])
            try:
                await chat(scenario["request"], seen)
                answers.append(seen.answer())
            except Exception as err:
                answers.append(failure(err))
        write(answers)

    asyncio.run(main())


def write(answers):
    json.dump(answers, sys.stdout)
    sys.stdout.flush()


def url(path):
    """The address of an endpoint, for clients that are given whole addresses."""
    return os.environ["APP_BASE_URL"] + path


def headers():
    return {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
