"""Chats with the openai package. Standard input: requests, a JSON array.

The address, the key, proxies and trusted roots come from the environment, as in
any application that knows nothing of sealcar.
"""

import openai

from answer import Answer, answer_all, refusal


def main():
    client = openai.OpenAI(max_retries=0)

    def chat(params):
        answer = Answer()
        try:
            answer.read(client.chat.completions.create(**params), params.get("stream"))
        except openai.APIStatusError as err:
            return refusal(err.status_code, err.code)
        return answer.reply

    answer_all(chat)


main()
