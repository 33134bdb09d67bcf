"""The vendor's own Python SDK: what its code costs one chat of a 256-byte
message and a reply of the same size. Prints a line as Go's benchmarks do.

The argument is the PEM file of an endpoint certificate.
"""

import sys
import time

from volcenginesdkarkruntime._utils._key_agreement import key_agreement_client

MESSAGE = "m" * 256
CHATS = 5000

with open(sys.argv[1], encoding="ascii") as file:
    client = key_agreement_client(file.read())


def chat():
    key, nonce, _, sealed = client.encrypt_string(MESSAGE)
    if client.decrypt_string_with_key(key, nonce, sealed) != MESSAGE:
        sys.exit("the reply did not open")


for _ in range(100):
    chat()
start = time.perf_counter_ns()
for _ in range(CHATS):
    chat()
print(f"BenchmarkVendorPython \t{CHATS}\t{(time.perf_counter_ns() - start) / CHATS:.1f} ns/op")
