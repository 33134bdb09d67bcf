"""Prints, as JSON, the place of every parameter that the chat calls of the
OpenAI and the vendor SDK know: paths in which [] stands for each element."""

import inspect
import json
import types

import typing_extensions as typing  # the SDKs' typed dicts are of its making
from openai.types.chat import completion_create_params as openai_chat
from volcenginesdkarkruntime.resources.chat.completions import Completions

NOT_IN_THE_BODY = {"self", "timeout", "extra_headers", "extra_query", "extra_body"}


def places(hint, path):
    """Yields the places of the values that have no members of their own."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for arg in args:
            yield from places(arg, path)
    elif origin in (typing.Required, typing.Annotated):
        yield from places(args[0], path)
    elif typing.is_typeddict(hint):
        for name, member in typing.get_type_hints(hint).items():
            yield from places(member, f"{path}.{name}")
    elif args and origin not in (typing.Literal, dict):
        yield from places(args[0], path + "[]")
    elif hint is not types.NoneType:
        yield path


def behind_decorators(function):
    while function.__closure__:
        function = function.__closure__[0].cell_contents
    return function


vendor = typing.get_type_hints(behind_decorators(Completions.create))
found = set(places(openai_chat.CompletionCreateParamsStreaming, ""))
for name in inspect.signature(behind_decorators(Completions.create)).parameters:
    if name not in NOT_IN_THE_BODY:
        found.update(places(vendor[name], "." + name))
print(json.dumps(sorted(place[1:] for place in found)))
