"""An inference endpoint that opens and seals with the vendor SDK's functions.

Usage: vendor_server.py DIR. Listens on a free loopback port with TLS, writes
tls-ca.pem and roots.pem to DIR, then prints its port as one line. Its reply to a
chat repeats the texts it opened, joined with "|". Ends when standard input does.
"""

import base64
import datetime
import http.server
import ipaddress
import json
import pathlib
import ssl
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from volcenginesdkarkruntime._utils import _key_agreement as vendor

ADDRESS = "127.0.0.1"


def new_name(common_name):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


class Authority:
    """A root that signs leaves."""

    def __init__(self, common_name):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = new_name(common_name)
        self.cert = self._sign(self.name, self.key, ca=True)

    def issue(self, common_name, address=None):
        key = ec.generate_private_key(ec.SECP256R1())
        return key, self._sign(new_name(common_name), key, ca=False, address=address)

    def _sign(self, name, key, ca, address=None):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name).issuer_name(self.name)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.KeyUsage(
                digital_signature=not ca, key_agreement=not ca, key_cert_sign=ca, crl_sign=ca,
                content_commitment=False, key_encipherment=False, data_encipherment=False,
                encipher_only=False, decipher_only=False), critical=True)
        )
        if not ca:
            builder = builder.add_extension(
                x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        if address:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        return builder.sign(self.key, hashes.SHA256())


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)


def key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def accept(key, token):
    """The key and nonce that the sender of a session token derived."""
    peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), base64.b64decode(token, validate=True))
    buf = HKDF(algorithm=hashes.SHA256(), length=44, salt=None, info=None).derive(key.exchange(ec.ECDH(), peer))
    return buf[:32], buf[32:]


def contents(request):
    """Each content of a request that must be sealed."""
    for message in request["messages"]:
        if isinstance(message["content"], str):
            yield message["content"]
            continue
        for part in message["content"]:
            yield part["text"] if part["type"] == "text" else part["image_url"]["url"]


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the certificate, and chats under its key."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/v3/e2e/get/certificate":
            return self._send({"Certificate": pem(self.server.leaf).decode()})
        key, nonce = accept(self.server.key, self.headers["X-Session-Token"])
        opened = [vendor.aes_gcm_decrypt_base64_string(key, nonce, text) for text in contents(request)]
        texts = ["|".join(opened)] * (3 if request.get("stream") else 1)
        sealed = [vendor.aes_gcm_encrypt_base64_string(key, nonce, text) for text in texts]
        if request.get("stream"):
            return self._stream(request, sealed)
        self._send(self._completion(request, {"message": {"role": "assistant", "content": sealed[0]}}))

    def _completion(self, request, choice):
        return {"id": "vendor", "object": "chat.completion", "created": 1, "model": request["model"],
                "choices": [{"index": 0, "finish_reason": "stop", **choice}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}

    def _stream(self, request, sealed):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for number, content in enumerate(sealed):
            finish = "stop" if number + 1 == len(sealed) else None
            chunk = self._completion(request, {"delta": {"content": content}, "finish_reason": finish})
            chunk["object"] = "chat.completion.chunk"
            self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _send(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def main():
    state = pathlib.Path(sys.argv[1])
    endpoint_ca, tls_ca = Authority("endpoint root"), Authority("TLS root")
    (state / "roots.pem").write_bytes(pem(endpoint_ca.cert))
    (state / "tls-ca.pem").write_bytes(pem(tls_ca.cert))
    tls_key, tls_cert = tls_ca.issue("TLS", ADDRESS)
    (state / "tls.pem").write_bytes(key_pem(tls_key) + pem(tls_cert))

    server = http.server.ThreadingHTTPServer((ADDRESS, 0), Handler)
    server.key, server.leaf = endpoint_ca.issue("endpoint")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(state / "tls.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


main()
