"""A streamed chat by a plain HTTP client, which is the argument: httpx (with
HTTP/2), aiohttp (with Expect: 100-continue) or curl (with both); httpx-2 and curl-2
insist on HTTP/2. Standard input: the request. Standard output: what came beside the chat, a JSON document; null is
what the client does not show."""

import asyncio
import json
import os
import re
import subprocess
import sys

URL = os.environ["APP_BASE_URL"] + "/chat/completions"
HEADERS = {
    "Authorization": "Bearer " + os.environ["OPENAI_API_KEY"],
    "Content-Type": "application/json",
    "X-Client-Request-Id": "request-1",
}
BODY = sys.stdin.read()


def by_httpx(http1=True):
    import httpx

    with httpx.Client(http1=http1, http2=True).stream("POST", URL, content=BODY, headers=HEADERS) as reply:
        done = reply.read().decode().rstrip().endswith("[DONE]")
        return {
            "version": reply.http_version.removeprefix("HTTP/"), "cookies": reply.headers.get_list("set-cookie"),
            "request_id": reply.headers["x-client-request-id"], "trailer": None, "continued": None, "done": done,
        }


async def by_aiohttp():
    import aiohttp

    async with (
        aiohttp.ClientSession(trust_env=True) as session,
        session.post(URL, data=BODY, headers=HEADERS, expect100=True) as reply,  # it waits for the 100
    ):
        done = (await reply.text()).rstrip().endswith("[DONE]")
        return {
            "version": f"{reply.version.major}.{reply.version.minor}", "cookies": reply.headers.getall("Set-Cookie"),
            "request_id": reply.headers["X-Client-Request-Id"], "trailer": None, "continued": True, "done": done,
        }


def by_curl(*protocol):
    command = ["curl", "--silent", "--show-error", *protocol, "--include", "--suppress-connect-headers", "--data-binary", "@-", URL]
    for name, value in {**HEADERS, "Expect": "100-continue"}.items():
        command += ["--header", f"{name}: {value}"]
    lines = subprocess.run(command, input=BODY.encode(), capture_output=True, check=True).stdout.decode().splitlines()

    def values(name):
        return [line.partition(": ")[2] for line in lines if line.lower().startswith(name + ":")]

    return {
        "version": re.match(r"HTTP/(\S+)", lines[0])[1], "cookies": values("set-cookie"), "request_id": values("x-client-request-id")[0],
        "trailer": (values("x-checksum") or [""])[0], "continued": " 100" in lines[0], "done": "data: [DONE]" in lines,
    }


seen = {
    "httpx": by_httpx, "httpx-2": lambda: by_httpx(http1=False),
    "aiohttp": lambda: asyncio.run(by_aiohttp()),
    "curl": lambda: by_curl("--http2"), "curl-2": lambda: by_curl("--http2-prior-knowledge", "--no-alpn"),
}[sys.argv[1]]()
json.dump(seen, sys.stdout)
