"""Holds test vectors against the vendor SDK's functions. Usage: vendor_vectors.py ark.json

Prints how many vectors of each kind were tried, and one line for each that the
vendor's code sees otherwise. Of the refused ones only those with failure "tag"
are tried: the vendor's base64 decoder takes what strict readers refuse.
"""

import datetime
import json
import sys
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from volcenginesdkarkruntime._utils import _key_agreement as vendor
from volcenginesdkarkruntime.resources.encryption import _decrypt
from volcenginesdkarkruntime.types.chat import ChatCompletion


def private_key(hexadecimal):
    return ec.derive_private_key(int(hexadecimal, 16), ec.SECP256R1())


def certificate(key):
    """A certificate of key, for the vendor's code takes no bare key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "endpoint")])
    now = datetime.datetime.now(datetime.timezone.utc)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return cert.public_bytes(serialization.Encoding.PEM).decode()


def check_session(vector):
    client = vendor.key_agreement_client(certificate(private_key(vector["server_private_hex"])))
    ephemeral = private_key(vector["ephemeral_private_hex"])
    with mock.patch.object(ec, "generate_private_key", return_value=ephemeral):
        key, nonce, token = client.generate_ecies_key_pair()
    want = (vector["key_hex"], vector["nonce_hex"], vector["token"])
    return (key.hex(), nonce.hex(), token) == want


def check_sealed(vector, key, nonce):
    if "plaintext_hex" in vector:  # not always text, which is all that the SDK seals
        plaintext = bytes.fromhex(vector["plaintext_hex"])
        raw = vendor.aes_gcm_encrypt_bytes(key, nonce, plaintext)
        return vendor.base64.b64encode(raw).decode() == vector["sealed"] and \
            vendor.aes_gcm_decrypt_bytes(key, nonce, raw) == plaintext
    return vendor.aes_gcm_encrypt_base64_string(key, nonce, vector["plaintext"]) == vector["sealed"] and \
        vendor.aes_gcm_decrypt_base64_string(key, nonce, vector["sealed"]) == vector["plaintext"]


def check_joined(vector, key, nonce):
    reply = ChatCompletion.construct(**{
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": vector["sealed"]}}]})
    return _decrypt(key, nonce, reply).choices[0].message.content == vector["plaintext"]


def check_refused(vector, key, nonce):
    try:
        vendor.aes_gcm_decrypt_base64_string(key, nonce, vector["sealed"])
    except Exception:
        return True
    return False


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        vectors = json.load(file)
    sessions = {v["name"]: (bytes.fromhex(v["key_hex"]), bytes.fromhex(v["nonce_hex"])) for v in vectors["sessions"]}
    tried, otherwise = {}, []

    def attempt(kind, vector, check, *args):
        tried[kind] = tried.get(kind, 0) + 1
        try:
            same = check(vector, *args)
        except Exception as err:
            same, vector = False, {**vector, "name": f"{vector['name']}: {type(err).__name__}"}
        if not same:
            otherwise.append(f"{kind}: {vector['name']}")

    for vector in vectors["sessions"]:
        attempt("sessions", vector, check_session)
    for vector in vectors["sealed"]:
        attempt("sealed", vector, check_sealed, *sessions[vector["session"]])
    for vector in vectors["joined"]:
        attempt("joined", vector, check_joined, *sessions[vector["session"]])
    for vector in vectors["refused"]:
        if vector["as"] == "one" and vector["failure"] == "tag":
            attempt("refused", vector, check_refused, *sessions[vector["session"]])
    json.dump({"tried": tried, "otherwise": otherwise}, sys.stdout)


main()
