"""langchain-openai."""

from langchain_core.messages import convert_to_messages
from langchain_openai import ChatOpenAI

from cell import run


def chat(request, seen):
    model = ChatOpenAI(model=request["model"], n=request.get("n"), stream_usage=True)
    if "tools" in request:
        model = model.bind_tools(request["tools"])
    messages = convert_to_messages(request["messages"])
    if not request.get("stream"):
        for index, generation in enumerate(model.generate([messages]).generations[0]):
            take(seen, generation.message, index)
        return
    whole = None
    for chunk in model.stream(messages):
        whole = chunk if whole is None else whole + chunk
        if seen.event(chunk.text):
            break
    take(seen, whole)


def take(seen, message, index=0):
    seen.choice(index).update(text=message.text, finish=message.response_metadata.get("finish_reason") or "")
    for call in message.tool_calls:
        seen.tool(index, call["name"], call["args"])
    usage = message.usage_metadata
    if usage:
        seen.usage = [usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]]


run(chat)
