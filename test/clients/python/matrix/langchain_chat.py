"""langchain-openai."""

from langchain_openai import ChatOpenAI

from cell import run


def chat(request, seen):
    model = ChatOpenAI(model=request["model"], n=request.get("n"), stream_usage=True)
    if "tools" in request:
        model = model.bind_tools(request["tools"])
    if not request.get("stream"):
        for index, generation in enumerate(model.generate([request["messages"]]).generations[0]):
            take(seen, generation.message, index)
        return
    for chunk in model.stream(request["messages"]):
        take(seen, chunk)
        if seen.event(chunk.text):
            return


def take(seen, message, index=0):
    choice = seen.choice(index)
    choice["text"] += message.text
    choice["finish"] = message.response_metadata.get("finish_reason") or choice["finish"]
    for call in message.tool_calls:
        seen.tool(index, call["name"], call["args"])
    usage = message.usage_metadata
    if usage and usage["total_tokens"]:
        seen.usage = [usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]]


run(chat)
