#!/usr/bin/env python3
"""Writes ark.json to standard output. It shares no code with sealcar: what the
vectors say is what the Python package `cryptography` computes. README.md holds
the schema."""

import base64
import hashlib
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
PRIME = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


def scalar(label):
    return int.from_bytes(hashlib.sha256(label.encode()).digest(), "big") % ORDER


def b64(raw):
    return base64.b64encode(raw).decode()


class Session:
    def __init__(self, name, server, ephemeral):
        self.name, self.server, self.ephemeral = name, server, ephemeral
        server_key = ec.derive_private_key(server, ec.SECP256R1())
        ephemeral_key = ec.derive_private_key(ephemeral, ec.SECP256R1())
        self.point = ephemeral_key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint)
        self.z = ephemeral_key.exchange(ec.ECDH(), server_key.public_key())
        okm = HKDF(hashes.SHA256(), 44, salt=None, info=None).derive(self.z)
        self.key, self.nonce = okm[:32], okm[32:]

    def raw(self, plaintext):
        return AESGCM(self.key).encrypt(self.nonce, plaintext, None)

    def seal(self, plaintext):
        return b64(self.raw(plaintext))

    def json(self):
        return {
            "name": self.name,
            "server_private_hex": f"{self.server:064x}",
            "ephemeral_private_hex": f"{self.ephemeral:064x}",
            "z_hex": self.z.hex(),
            "key_hex": self.key.hex(),
            "nonce_hex": self.nonce.hex(),
            "token": b64(self.point),
        }


def search(name, accept):
    """The first session, counting up, that has a rare property."""
    for i in range(1 << 20):
        s = Session(name, scalar("ark-kat-server"), scalar(f"{name}-{i}"))
        if accept(s):
            return s
    raise SystemExit(f"no session for {name}")


KAT = Session("kat", scalar("ark-kat-server"), scalar("ark-kat-ephemeral"))
OTHER = Session("other", scalar("ark-vector-server"), scalar("ark-vector-ephemeral"))
SESSIONS = [
    KAT,
    Session("kat-negated-point", KAT.server, ORDER - KAT.ephemeral),
    OTHER,
    search("z-leading-zero", lambda s: s.z[0] == 0),
    search("x-leading-zero", lambda s: s.point[1] == 0),
    search("y-leading-zero", lambda s: s.point[33] == 0),
]


def text(name, plaintext):
    return {"name": name, "plaintext": plaintext}


def octets(name, plaintext):
    return {"name": name, "plaintext_hex": plaintext.hex()}


def value(v):
    return v["plaintext"].encode() if "plaintext" in v else bytes.fromhex(v["plaintext_hex"])


PLAIN = [
    text("hello", "hello"),
    text("empty", ""),
    text("one byte", "a"),
    text("two bytes: no padding", "ab"),
    text("one block", "0123456789abcdef"),
    text("one block and a byte", "0123456789abcdefg"),
    text("Chinese", "请用一句话介绍你自己。"),
    text("emoji: beyond the basic plane, joiners", "🙂👩‍👩‍👧‍👦🇨🇳"),
    text("right to left, combining", "مرحبا é"),
    text("JSON in JSON", '{"role":"user","content":"\\"quoted\\" \\u4f60"}'),
    text("line breaks and tabs", "a\r\nb\tc\n"),
    octets("NUL", b"\0"),
    octets("NULs inside", b"a\0b\0\0c"),
    octets("not UTF-8: Seal takes any bytes", bytes(range(0x7E, 0x90))),
    text("data URL", "data:image/png;base64,iVBORw0KGgo="),
    text("long: 5000 characters", "封" * 5000),
]
JOINED = [
    ("one", ["hello"]),
    ("padded, padded", ["hello", "world!"]),
    ("unpadded, unpadded", ["ab", "cd"]),
    ("unpadded three times, another length each", ["ab", "abcde", "abcdefgh"]),
    ("unpadded, then one =", ["ab", "abc"]),
    ("unpadded, then ==", ["ab", "a"]),
    ("== then unpadded", ["a", "ab"]),
    ("= then == then unpadded twice", ["abc", "abcd", "ab", "abcde"]),
    ("empty between", ["ab", "", "cd", ""]),
    ("only empty", ["", "", ""]),
    ("the same piece twice", ["hello, you", "hello, you"]),
    ("a piece over a block, unpadded", ["0123456789abcdefg", "0123456789abcdef0"]),
    ("a character split between two pieces (the vendor's SDK fails)", [b"\xe5\xb0", b"\x81"]),
    ("words, as a stream would cut them", ["你好", "，", "我是", "豆包", "。"]),
]


def joined(name, pieces):
    pieces = [p if isinstance(p, bytes) else p.encode() for p in pieces]
    return {
        "name": name,
        "session": "kat",
        "plaintext": b"".join(pieces).decode(),
        "sealed": "".join(KAT.seal(p) for p in pieces),
    }


def flip(raw, bit):
    raw = bytearray(raw)
    raw[bit // 8] ^= 1 << (bit % 8)
    return b64(bytes(raw))


def tokens():
    point = KAT.point
    x, y = point[1:33], point[33:]
    off = point[:64] + bytes([point[64] ^ 1])
    p384 = ec.derive_private_key(scalar("p384"), ec.SECP384R1()).public_key()
    return [
        ("point off the curve", b64(off)),
        ("infinity, one byte", b64(b"\0")),
        ("infinity, padded", b64(bytes(65))),
        ("origin", b64(b"\x04" + bytes(64))),
        ("compressed", b64(bytes([2 + (y[31] & 1)]) + x)),
        ("compressed, padded to size", b64(bytes([2 + (y[31] & 1)]) + x + bytes(32))),
        ("hybrid", b64(bytes([6 + (y[31] & 1)]) + x + y)),
        # (0, sqrt(B)) is on the curve; its X may not be written as the prime.
        ("coordinate not reduced", b64(
            b"\x04" + PRIME.to_bytes(32, "big") + pow(B, (PRIME + 1) // 4, PRIME).to_bytes(32, "big"))),
        ("no leading 04", b64(x + y)),
        ("on P-384", b64(p384.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))),
        ("empty", ""),
        ("the certificate endpoint's literal", "/e2e/get/certificate"),
        ("no padding", b64(point).rstrip("=")),
        ("trailing bits", b64(point)[:-2] + "1="),
        ("URL alphabet", base64.urlsafe_b64encode(search(
            "ark-vector-plus", lambda s: "+" in b64(s.point) and "/" in b64(s.point)).point).decode()),
        ("line break at the end", b64(point) + "\n"),
        ("line break instead of a character", b64(point)[:-1] + "\n"),
        ("space before", " " + b64(point)),
        ("hex", point.hex()),
    ]


def refused():
    raw, good = KAT.raw(b"hello"), KAT.seal(b"hello")
    slashed = next(c for c in (KAT.seal(b"%d" % i) for i in range(999)) if "/" in c and "+" in c)
    loose = KAT.seal(b"")  # ends in "==", the character before has four bits to spare
    yield from (("one", "tag", n, s) for n, s in [
        ("first bit of the tag flipped", flip(raw, 8 * 5)),
        ("last bit of the tag flipped", flip(raw, 8 * len(raw) - 1)),
        ("bit of the ciphertext flipped", flip(raw, 0)),
        ("last byte cut off", b64(raw[:-1])),
        ("a byte added", b64(raw + b"\0")),
        ("sealed in another session", OTHER.seal(b"hello")),
        ("sixteen zeros", b64(bytes(16))),
        ("unpadded pieces joined", KAT.seal(b"ab") + KAT.seal(b"cd")),
    ])
    yield from (("one", "short", n, s) for n, s in [
        ("nothing", ""),
        ("one byte", b64(b"\0")),
        ("fifteen bytes", b64(raw[-15:])),
    ])
    yield from (("one", "base64", n, s) for n, s in [
        ("plaintext", "hello, world: not base64"),
        ("URL alphabet", slashed.replace("+", "-").replace("/", "_")),
        ("no padding", good.rstrip("=") if good.endswith("=") else loose.rstrip("=")),
        ("padding of a full group", good + "=="),
        ("trailing bits", loose[:-3] + "x=="),
        ("line break at the end", good + "\n"),
        ("line break inside", good[:8] + "\r\n" + good[8:]),
        ("space inside", good[:8] + " " + good[8:]),
        ("not ASCII", good[:-1] + "ｃ"),
        ("padded pieces joined", loose + loose),
    ])
    yield from (("joined", f, n, s) for f, n, s in [
        ("short", "nothing", ""),
        ("short", "padding that ends less than a tag", "AA==" * 3),
        ("base64", "only padding", "===="),
        ("base64", "space between pieces", good + " " + good),
        ("base64", "line break between pieces", loose + "\n" + loose),
        ("base64", "third padding character", loose + "=" + loose),
        ("split", "a single piece, tag flipped", flip(raw, 8 * 5)),
        ("split", "the second piece altered", KAT.seal(b"ab") + flip(KAT.raw(b"cd"), 0)),
        ("split", "the first piece altered", flip(KAT.raw(b"ab"), 0) + KAT.seal(b"cd")),
        ("split", "rest shorter than a tag", KAT.seal(b"ab") + "AAAA"),
        ("split", "rest that is no ciphertext", KAT.seal(b"ab") + "A" * 64),
        ("split", "the second piece of another session", KAT.seal(b"ab") + OTHER.seal(b"cd")),
        ("short", "padded piece, then too short a rest", loose + "AAAA"),
    ])


print(json.dumps({
    "sessions": [s.json() for s in SESSIONS],
    "sealed": [
        {"name": v["name"], "session": "kat"} | v | {"sealed": KAT.seal(value(v))} for v in PLAIN
    ] + [{"name": f"session {s.name}", "session": s.name, "plaintext": "hello", "sealed": s.seal(b"hello")}
         for s in SESSIONS[1:]],
    "joined": [joined(*j) for j in JOINED],
    "tokens": [{"name": n, "token": t, "failure": "token"} for n, t in tokens()],
    "refused": [{"name": f"{a}: {n}", "session": "kat", "as": a, "sealed": s, "failure": f}
                for a, f, n, s in refused()],
}, ensure_ascii=False, indent=2))
