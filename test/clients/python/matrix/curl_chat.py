"""curl. CURL_OPTIONS are further ones, such as -x."""

import os
import shlex
import subprocess

from cell import compact, headers, run, url
from raw import Refused, document, take_line

COMMAND = [
    "curl", "--silent", "--show-error", "--no-buffer", "--max-time", "60", *shlex.split(os.environ.get("CURL_OPTIONS", "")),
    "--header", "Content-Type: application/json", "--header", "Authorization: " + headers()["Authorization"],
    "--data-binary", "@-", "--write-out", "%{stderr}%{http_code}", url("/chat/completions"),
]


def chat(request, seen):
    curl = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with curl:
        curl.stdin.write(compact(request).encode())
        curl.stdin.close()
        if not request.get("stream"):
            body = curl.stdout.read().decode()
            finish(curl, body)
            seen.whole(document(body))
            return
        kept = []
        for line in curl.stdout:
            kept.append(line.decode())
            if take_line(kept[-1], seen):
                break
        if seen.gave_up():
            curl.terminate()
            return
        finish(curl, "".join(kept))


def finish(curl, body):
    said = curl.stderr.read().decode()
    if curl.wait() != 0:
        raise RuntimeError(said)
    if int(said) != 200:
        raise Refused(int(said), body)


run(chat)
