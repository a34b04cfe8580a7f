"""Certificates of tests: one authority that signs a server's, and another that does not."""

import subprocess
from pathlib import Path


def make_certificates(folder: Path) -> None:
    """`redis.pem` and `redis.key` for 127.0.0.1, signed by `ours.pem`; `another.pem`."""
    for name in ("ours", "another"):
        _openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                 "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"
                 )  # fmt: skip
    _openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "redis.key",
             "-out", "redis.csr", "-subj", "/CN=redis")  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    _openssl(folder, "x509", "-req", "-in", "redis.csr", "-CA", "ours.pem", "-CAkey", "ours.key",
             "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "redis.pem")  # fmt: skip


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
