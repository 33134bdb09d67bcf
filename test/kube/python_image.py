"""Writes this machine's Python as a container image, for a cluster without a registry.

usage: python_image.py NAME SITE_PACKAGES OUT.tar

The image holds the interpreter, its standard library, the shared libraries that
ldd names, and the packages of SITE_PACKAGES. The archive is what `docker load`
and `ctr images import` take.
"""

import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tarfile

LEFT_OUT = re.compile(r"/(__pycache__|test|tests|idlelib|tkinter|ensurepip|dist-packages)(/|$)|/config-[^/]*-linux-gnu(/|$)")


def files_below(top):
    for folder, _, names in os.walk(top):
        if not LEFT_OUT.search(folder):
            yield from (os.path.join(folder, n) for n in names)


def libraries(binaries):
    found = set()
    for binary in binaries:
        out = subprocess.run(["ldd", binary], capture_output=True, text=True).stdout
        found.update(re.findall(r"(/\S+) \(0x", out))
    return found


def layer(site):
    """The root file system: path in the image to path here."""
    python = os.path.realpath(sys.executable)
    stdlib = sysconfig.get_path("stdlib")
    root = {"/usr/local/bin/python": python, python: python}
    for top, at in ((stdlib, stdlib), (site, stdlib + "/site-packages")):
        for path in files_below(top):
            root[at + path[len(top) :]] = path
    for lib in libraries([p for p in root.values() if p.endswith(".so") or p == python]):
        root[lib] = lib
    return root


def pack(root):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", dereference=True) as tar:
        for path in sorted(root):
            info = tar.gettarinfo(root[path], path.lstrip("/"))
            info.uid = info.gid = info.mtime = 0
            info.uname = info.gname = ""
            info.type = tarfile.REGTYPE  # hard links of this machine are none there
            info.size = os.path.getsize(root[path])
            with open(root[path], "rb") as f:
                tar.addfile(info, f)
    return out.getvalue()


def main(name, site, out):
    root = layer(site)
    blob = pack(root)
    config = json.dumps({
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()],
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/bin", "PYTHONPATH=" + sysconfig.get_path("stdlib") + "/site-packages", "PYTHONDONTWRITEBYTECODE=1"],
            "User": "65532:65532",
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(blob).hexdigest()]},
    }).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(out, "w") as tar:
        for member, content in (("layer.tar", blob), ("config.json", config), ("manifest.json", manifest)):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


if __name__ == "__main__":
    main(*sys.argv[1:])
