"""What every program here prints: the reply as its application saw it."""

import json
import sys


class Answer:
    """Collects a chat completion, from one document or from a stream."""

    def __init__(self):
        self.reply = {"id": None, "model": None, "choices": [], "usage": None, "chunks": 0}

    def _choice(self, index):
        while len(self.reply["choices"]) <= index:
            self.reply["choices"].append({"text": "", "finish_reason": None, "tools": []})
        return self.reply["choices"][index]

    def read(self, reply, stream):
        """Takes a whole completion, or a stream to its end."""
        if not stream:
            self._head(reply)
            for choice in reply.choices:
                self._add(choice.index, choice.message, choice.finish_reason)
            return
        for chunk in reply:
            self._head(chunk)
            self.reply["chunks"] += 1
            for choice in chunk.choices:
                self._add(choice.index, choice.delta, choice.finish_reason)

    def _head(self, message):
        self.reply["id"] = message.id
        self.reply["model"] = message.model
        if message.usage is not None:
            usage = message.usage
            self.reply["usage"] = [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]

    def _add(self, index, message, finish_reason):
        choice = self._choice(index)
        choice["text"] += message.content or ""
        choice["finish_reason"] = finish_reason or choice["finish_reason"]
        for call in message.tool_calls or []:
            if call.function.name:
                choice["tools"].append({"name": call.function.name, "arguments": ""})
            choice["tools"][-1]["arguments"] += call.function.arguments or ""


def refusal(status, code, request_id=None):
    """A refusal: its HTTP status, the code of its document, and the SDK's request_id."""
    return {"error": {"status": status, "code": code, "request_id": request_id}}


def answer_all(chat):
    """Answers each request of standard input, in order, with what chat gives."""
    json.dump([chat(params) for params in json.load(sys.stdin)], sys.stdout)
