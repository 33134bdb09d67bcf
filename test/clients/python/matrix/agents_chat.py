"""openai-agents. OPENAI_API=chat_completions is for endpoints without the
Responses API, which it calls if not told otherwise."""

import os

from agents import Agent, ModelSettings, Runner, function_tool, set_default_openai_api, set_tracing_disabled
from openai.types.responses import ResponseTextDeltaEvent

from cell import run_async
from responses import input_items

set_tracing_disabled(True)  # traces go to OpenAI
set_default_openai_api(os.environ.get("OPENAI_API", "responses"))


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    return "sunny in " + city


async def chat(request, seen):
    messages = list(request["messages"])
    instructions = messages.pop(0)["content"] if messages[0]["role"] == "system" else None
    agent = Agent(
        name="assistant", instructions=instructions, model=request["model"], tools=[weather] if "tools" in request else [],
        model_settings=ModelSettings(include_usage=True),
    )
    items = input_items(messages)
    if not request.get("stream"):
        result = await Runner.run(agent, items)
        take(seen, result)
        return
    result = Runner.run_streamed(agent, items)
    async for event in result.stream_events():
        if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent):
            if seen.event(event.data.delta):
                result.cancel()
                return
    take(seen, result)


def take(seen, result):
    usage = result.context_wrapper.usage
    seen.choice()["text"] = result.final_output
    seen.usage = [usage.input_tokens, usage.output_tokens, usage.total_tokens]


run_async(chat)
