"""Whether the whole installation answers: the backend's parts, the origin, the pages, the edge.

`python -m deploy.health` looks once; `--wait SECONDS` looks until all that this host runs is well.
It prints what is not, with the last words of its log, and then exits 1.
"""

import argparse
import http.client
import json
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path

from deploy.addresses import Addresses
from livestream import env as environment
from streams.origin.courier import STATUS_FILE, told

TIMEOUT = 6.0  # seconds; the slowest check behind /health takes three
LOG_LINES = 12
# Parts of /health that may well be on other hosts, by the process that they are.
ELSEWHERE = ("worker", "ingest", "delivery", "origins")
# Which log tells why a part of /health is not well.
LOGS = {
    "database": "web",
    "redis": "redis",
    "channels": "redis",
    "broker": "redis",
    "worker": "worker",
    "ingest": "ingest",
    "disk": "worker",
    "backend": "web",
    "origin": "origin",
    "pages": "edge",
    "edge": "edge",
    "courier": "courier",
    "delivery": "courier",
    "origins": "keeper",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is not well."""

    part: str
    detail: str


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    location: str = ""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connect(place: str) -> http.client.HTTPConnection:
    """`host:port` or `unix:/path/to/socket`."""
    if place.startswith("unix:"):
        return UnixConnection(place.removeprefix("unix:"))
    return http.client.HTTPConnection(place, timeout=TIMEOUT)


def get(place: str, path: str, https: bool) -> Answer:
    """One GET of this machine's own server. Raises OSError or HTTPException."""
    connection = connect(place)
    try:
        headers = {"Host": "localhost"}
        if https:
            headers["X-Forwarded-Proto"] = "https"
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        location = response.getheader("Location", "")
        return Answer(response.status, response.read(), location)
    finally:
        connection.close()


def parts(answer: Answer) -> list[Finding]:
    """What /health says is not well; see livestream/health.py for its shape."""
    try:
        report = json.loads(answer.body)
        return [
            Finding(name, report["parts"][name].get("detail", "not well"))
            for name in report["failing"]
        ]
    except (ValueError, KeyError, TypeError):
        return [Finding("backend", f"/health answers {answer.status} without a report")]


def look(
    addresses: Addresses, run: str, origin: str, https: bool, processes: Container[str]
) -> list[Finding]:
    """Everything that is not well now; empty when all is. `run` is the folder of the sockets,
    `origin` where that listens; `processes`: those of this host."""
    checks: list[tuple[str, str, str, str, Callable[[Answer], list[Finding]]]] = [
        ("web", "backend", addresses.local("backend"), "/health", parts),
        # It has nothing at this address, and says so.
        (
            "origin",
            "origin",
            origin,
            "/hls/",
            lambda answer: _is_ok("origin", answer, 404),
        ),
        ("edge", "pages", addresses.local("web"), "/", _pages),
        (
            "edge",
            "edge",
            addresses.local("edge"),
            "/api/streams",
            lambda answer: _is_ok("edge", answer),
        ),
        (
            "ingest",
            "ingest",
            f"unix:{run}/ingest.sock",
            "/stat",
            lambda answer: _is_ok("ingest", answer),
        ),
    ]
    findings = []
    if "courier" in processes:
        findings = [Finding("courier", text) for text in told(Path(run) / STATUS_FILE).values()]
    for process, part, place, path, judge in checks:
        if process not in processes or (part == "ingest" and "web" in processes):
            continue  # web looks at every ingest
        try:
            findings += judge(get(place, path, https))
        except (OSError, http.client.HTTPException) as error:
            findings.append(Finding(part, f"{place}{path}: {error or type(error).__name__}"))
    return findings


def _pages(answer: Answer) -> list[Finding]:
    """Also that they are elsewhere: who serves them by HTTPS may be on another host, and then this
    one does not know of it."""
    away = answer.status == 301 and answer.location.startswith("https://")
    return [] if away else _is_ok("pages", answer)


def _is_ok(part: str, answer: Answer, status: int = 200) -> list[Finding]:
    if answer.status == status:
        return []
    return [Finding(part, f"answers {answer.status}: {answer.body[:200].decode(errors='replace')}")]


def last_words(log: Path) -> list[str]:
    if not log.is_file():
        return []
    with log.open(errors="replace") as lines:
        return list(deque((line.rstrip() for line in lines), maxlen=LOG_LINES))


def own_of(findings: list[Finding], processes: Container[str]) -> list[Finding]:
    """Without those about what this host does not run."""
    return [f for f in findings if f.part not in ELSEWHERE or f.part in processes]


def report(findings: list[Finding], logs: Path | None) -> str:
    """With the last words of what is not well, where its log is here."""
    text = [f"  {finding.part}: {finding.detail}" for finding in findings]
    if logs is None:
        return "\n".join(text)
    for name in dict.fromkeys(LOGS.get(finding.part, "web") for finding in findings):
        if words := last_words(logs / f"{name}.log"):
            text += ["", f"  The last lines of {logs / name}.log:"]
            text += [f"    {word}" for word in words]
    return "\n".join(text)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS")
    wait: float = parser.parse_args().wait
    env = environment.read()
    addresses = Addresses.read(env.bind)
    deadline = time.monotonic() + wait
    while findings := look(addresses, env.run, env.origin, env.https, env.processes):
        # Hosts are set up one after the other.
        if wait and not (own := own_of(findings, env.processes)):
            sys.stdout.write("  Not there yet, on other hosts:\n" + report(findings, None) + "\n")
            return 0
        if time.monotonic() >= deadline:
            sys.stderr.write(report(own if wait else findings, env.var / "log") + "\n")
            return 1
        time.sleep(0.25)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
