#!/usr/bin/env python3
"""Writes volcsign.json to standard output: signatures made by the vendor's own
signer (PyPI volcenginesdk-core, part of volcengine-python-sdk). README.md holds
the schema."""

import json
from datetime import datetime
from unittest import mock
from urllib.parse import quote

from volcenginesdkcore import signv4

AK, SK = "AKLTexample0000000000000000", "c2VhbGNhci10ZXN0LXZlY3Rvci1zZWNyZXQ="
JSON = {"Content-Type": "application/json"}
CERT = {"Action": "GetEndpointCertificate", "Version": "2024-01-01"}
CASES = [
    ("GetEndpointCertificate", {"body": '{"Id":"ep-20240101000000-abcde"}'}),
    ("GetApiKey with a session token", {
        "query": {"Action": "GetApiKey", "Version": "2024-01-01"},
        "body": '{"DurationSeconds":604800,"ResourceType":"endpoint","ResourceIds":["ep-1"]}',
        "session_token": "STS-example-token=="}),
    ("another region", {"region": "ap-southeast-1", "host": "open.ap-southeast-1.byteplusapi.com"}),
    ("body of Chinese text", {"body": '{"ProjectName":"默认项目"}'}),
    ("empty body", {"body": ""}),
    ("further X- headers and Content-Md5", {
        "headers": JSON | {"X-Top-Service": "ark", "X-Aa": "inner  spaces", "Content-Md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}}),
    ("content type with parameter", {"headers": {"Content-Type": "application/json; charset=utf-8"}}),
    ("GET without content type", {"method": "GET", "body": "", "headers": {}}),
    ("query to escape", {"query": {
        "Action": "A b+c", "中文": "值", "tilde~": "~-_.", "star*": "(')!", "slash/": "a/b?c=d&e", "empty": ""}}),
    ("query sorted by name, not by line", {"query": {"a-b": "1", "a": "2", "A": "3", "a1": "4"}}),
    ("port 443 is left out", {"host": "open.volcengineapi.com:443"}),
    ("port 80 is left out", {"host": "open.volcengineapi.com:80"}),
    ("another port stays", {"host": "127.0.0.1:8443"}),
    ("path", {"path": "/v2/some.path"}),
    ("end of a day", {"date": "2024-12-31T23:59:59"}),
]


def vector(name, method="POST", host="open.volcengineapi.com", path="/", query=CERT, headers=JSON, body="{}",
           region="cn-beijing", session_token="", date="2025-06-01T12:34:56"):
    signed = {"Host": host} | headers
    with mock.patch.object(signv4.datetime, "datetime") as clock:
        clock.utcnow.return_value = datetime.fromisoformat(date)
        signv4.SignerV4.sign(path, method, signed, body, None, query, AK, SK, region, "ark", session_token)
    line = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in query.items())
    return {
        "name": name, "access_key": AK, "secret_key": SK, "session_token": session_token,
        "region": region, "service": "ark", "date": date + "Z",
        "method": method, "host": host, "path": path, "query": line, "headers": headers, "body": body,
        "x_date": signed["X-Date"], "x_content_sha256": signed["X-Content-Sha256"],
        "authorization": signed["Authorization"],
    }


print(json.dumps({"requests": [vector(n, **c) for n, c in CASES]}, ensure_ascii=False, indent=2))
