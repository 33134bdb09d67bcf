"""LlamaIndex, with the class for endpoints that are like OpenAI's."""

import base64
import os

from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.llms.openai_like import OpenAILike

from cell import run


def chat(request, seen):
    llm = OpenAILike(
        model=request["model"], api_base=os.environ["APP_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"],
        is_chat_model=True, is_function_calling_model=True, max_retries=1,
    )
    messages = [ChatMessage(role=m["role"], blocks=blocks(m["content"])) for m in request["messages"]]
    more = {"tools": request["tools"]} if "tools" in request else {}
    if not request.get("stream"):
        take(seen, llm.chat(messages, **more))
        return
    replies = llm.stream_chat(messages, stream_options={"include_usage": True}, **more)
    for reply in replies:
        last = reply
        if seen.event(reply.delta or ""):
            replies.close()
            return
    take(seen, last)


def take(seen, reply):
    seen.choice()["text"] = reply.message.content or ""
    for call in reply.message.additional_kwargs.get("tool_calls", []):
        seen.tool(0, call.function.name, call.function.arguments)
    usage = reply.raw.usage
    if usage:
        seen.usage = [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]


def blocks(content):
    if isinstance(content, str):
        return [TextBlock(text=content)]
    return [block(part) for part in content]


def block(part):
    if part["type"] == "text":
        return TextBlock(text=part["text"])
    head, data = part["image_url"]["url"].split(";base64,")
    return ImageBlock(image=base64.b64decode(data), image_mimetype=head.removeprefix("data:"))


run(chat)
