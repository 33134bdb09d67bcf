"""Chats with the vendor's SDK. Standard input: requests, a JSON array.

APP_BASE_URL and ARK_API_KEY say where; VENDOR_ENCRYPTION=on has the SDK seal the
chats itself (its own mode: it fetches the certificate, seals, and opens the
reply); VENDOR_ENDPOINT=batch uses the batch endpoint.
"""

import os

from volcenginesdkarkruntime import Ark
from volcenginesdkarkruntime._exceptions import ArkAPIStatusError

from answer import Answer, answer_all, refusal


def main():
    ark = Ark(base_url=os.environ["APP_BASE_URL"], max_retries=0)
    resource = ark.batch.chat if os.environ.get("VENDOR_ENDPOINT") == "batch" else ark.chat
    headers = {"x-is-encrypted": "true"} if os.environ.get("VENDOR_ENCRYPTION") == "on" else {}

    def chat(params):
        answer = Answer()
        try:
            reply = resource.completions.create(**params, extra_headers=dict(headers))
            answer.read(reply, params.get("stream"))
        except ArkAPIStatusError as err:
            return refusal(err.status_code, err.code)
        return answer.reply

    answer_all(chat)


main()
