"""Anthropic's tool runner; see node/runner.cjs."""

import json
import sys

import anthropic


@anthropic.beta_tool
def weather(city: str) -> str:
    """The weather in a city."""
    return "sunny in " + city


client = anthropic.Anthropic(max_retries=0)
said = []
for stream in False, True:
    runner = client.beta.messages.tool_runner(
        model="ep-20250101000000-abcde", max_tokens=100, tools=[weather], stream=stream,
        messages=[{"role": "user", "content": "the weather in 北京"}],
    )
    for turn in runner:
        last = turn.get_final_message() if stream else turn
    said.append("".join(block.text for block in last.content if block.type == "text"))
json.dump(said, sys.stdout)
