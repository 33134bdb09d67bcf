"""The vendor's SDK. VENDOR_ENCRYPTION=on has it seal the chats itself."""

import os

from volcenginesdkarkruntime import Ark

from cell import run

base_url = os.environ.get("APP_BASE_URL")
client = Ark(base_url=base_url) if base_url else Ark()
extra = {"x-is-encrypted": "true"} if os.environ.get("VENDOR_ENCRYPTION") == "on" else {}


def chat(request, seen):
    reply = client.chat.completions.create(**request, extra_headers=dict(extra))
    if not request.get("stream"):
        seen.whole(reply)
        return
    for chunk in reply:
        if seen.chunk(chunk):
            reply.close()
            return


run(chat)
