"""Calls of the Responses API with the openai package and of the Messages API with
the anthropic package. Standard input: a JSON array of {api, mode, params}.

api is "responses" or "messages"; mode is "whole", "events" (the stream as it
comes) or "helper" (the SDK's own, which puts a stream together and checks the
order of its events). Every reply and event has to fit the types of the SDKs, which
take less if they are not told to validate. The addresses, keys, proxies and trusted
roots come from the environment, as in any application that knows nothing of sealcar.
"""

import json

import anthropic
import openai

from answer import answer_all, refusal


def of_response(response, said=None):
    usage = response.usage
    calls = [item for item in response.output if item.type == "function_call"]
    return {
        "id": response.id, "model": response.model, "end": response.status, "said": said,
        "text": response.output_text,
        "tools": [{"name": call.name, "arguments": call.arguments} for call in calls],
        "usage": usage and [usage.input_tokens, usage.output_tokens, usage.total_tokens],
    }


def of_message(message, said=None):
    usage = message.usage
    text = "".join(block.text for block in message.content if block.type == "text")
    calls = [block for block in message.content if block.type == "tool_use"]
    return {
        "id": message.id, "model": message.model, "end": message.stop_reason, "said": said,
        "text": text,
        "tools": [{"name": call.name, "arguments": json.dumps(call.input, ensure_ascii=False, separators=(",", ":"))} for call in calls],
        "usage": [usage.input_tokens, usage.output_tokens, usage.input_tokens + usage.output_tokens],
    }


def responses(client, mode, params):
    if mode == "whole":
        return of_response(client.responses.create(**params))
    if mode == "helper":
        with client.responses.stream(**params) as stream:
            return of_response(stream.get_final_response())
    said, final = "", None
    for number, event in enumerate(client.responses.create(stream=True, **params)):
        if event.sequence_number != number:
            raise ValueError(f"event {number} has the number {event.sequence_number}")
        if event.type == "response.output_text.delta":
            said += event.delta
        if event.type in ("response.completed", "response.incomplete"):
            final = event.response
    return of_response(final, said)


def messages(client, mode, params):
    if mode == "whole":
        return of_message(client.messages.create(**params))
    if mode == "helper":
        with client.messages.stream(**params) as stream:
            return of_message(stream.get_final_message())
    said, final = "", None
    for event in client.messages.create(stream=True, **params):
        if event.type == "message_start":
            final = event.message
        if event.type == "content_block_start":
            final.content.append(event.content_block)
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            said += event.delta.text
            final.content[event.index].text += event.delta.text
        if event.type == "content_block_delta" and event.delta.type == "input_json_delta":
            block = final.content[event.index]
            block.input = (block.input or "") + event.delta.partial_json
        if event.type == "content_block_stop" and final.content[event.index].type == "tool_use":
            final.content[event.index].input = json.loads(final.content[event.index].input)
        if event.type == "message_delta":
            final.stop_reason, final.usage = event.delta.stop_reason, event.usage
        if event.type == "message_stop":
            return of_message(final, said)
    raise ValueError("the stream has no message_stop")


def main():
    clients = {
        "responses": (responses, openai.OpenAI(max_retries=0, _strict_response_validation=True)),
        "messages": (messages, anthropic.Anthropic(max_retries=0, _strict_response_validation=True)),
    }

    def call(request):
        function, client = clients[request["api"]]
        try:
            return function(client, request["mode"], request["params"])
        except (openai.APIStatusError, anthropic.APIStatusError) as err:
            body = err.body if isinstance(err.body, dict) else {}
            return refusal(err.status_code, (body.get("error") or body).get("code"), err.request_id)

    answer_all(call)


main()
