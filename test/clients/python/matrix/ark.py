"""The vendor's SDK. VENDOR_ENCRYPTION=on has it seal the chats itself."""

import os

from volcenginesdkarkruntime import Ark

from cell import run

client = Ark(base_url=os.environ["ARK_BASE_URL"])
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
