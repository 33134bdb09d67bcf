"""A chat completion's request as the Responses API has it."""


def input_items(messages):
    return [{"role": message["role"], "content": content(message["content"])} for message in messages]


def content(parts):
    if isinstance(parts, str):
        return parts
    return [
        {"type": "input_text", "text": part["text"]} if part["type"] == "text"
        else {"type": "input_image", "detail": "auto", "image_url": part["image_url"]["url"]}
        for part in parts
    ]


def tools(request):
    return [{"type": "function", "strict": False, **tool["function"]} for tool in request.get("tools", [])]
