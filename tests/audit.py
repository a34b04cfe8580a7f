"""The audit: known weaknesses of what we build on, and weak spots of what we wrote.

`python -m tests.audit`, a part of every whole test run. An advisory service that does not answer is
a note, never a pass in silence and never a failure; a finding is a failure, unless EXCEPTIONS says
why it does not concern us.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60  # seconds
# Advisory -> why it does not concern us, and until when.
EXCEPTIONS: dict[str, str] = {}


@dataclass
class Verdict:
    """`notes`: what could not be looked up."""

    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Output:
    status: int
    out: str
    err: str


# What reading an answer raises that has not the shape it should have.
SHAPELESS = (ValueError, KeyError, TypeError, AttributeError)


def judge_pip(said: Output) -> Verdict:
    """pip-audit's JSON. It skips what its service does not know."""
    try:
        return _weak_in_pip(json.loads(said.out)["dependencies"])
    except SHAPELESS:
        return _unanswered("Python's advisories", said)


def _weak_in_pip(packages: list[dict[str, Any]]) -> Verdict:
    verdict = Verdict()
    for package in packages:
        for found in package.get("vulns", []):
            known = {found["id"], *found.get("aliases", [])}
            if not known & EXCEPTIONS.keys():
                fixed = ", ".join(found.get("fix_versions") or []) or "no version yet"
                verdict.findings.append(
                    f"{package['name']} {package['version']}: {found['id']}, mended in {fixed}"
                )
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if skipped:
        verdict.notes.append(
            f"Python's advisories know nothing of {len(skipped)} of {len(packages)} packages."
        )
    return verdict


def judge_npm(said: Output) -> Verdict:
    """npm's JSON, which has `vulnerabilities` only when the registry answered."""
    try:
        return _weak_in_npm(json.loads(said.out)["vulnerabilities"])
    except SHAPELESS:
        return _unanswered("npm's advisories", said)


def _weak_in_npm(vulnerable: dict[str, dict[str, Any]]) -> Verdict:
    verdict = Verdict()
    for name, found in vulnerable.items():
        # A name in `via` is another package of the list; an object is the advisory itself.
        for advisory in found["via"]:
            if isinstance(advisory, dict) and advisory["url"] not in EXCEPTIONS:
                verdict.findings.append(f"{name} {advisory['range']}: {advisory['url']}")
    return verdict


def judge_bandit(said: Output) -> Verdict:
    """Needs no network: whatever is not clean is a finding."""
    return Verdict() if said.status == 0 else Verdict(findings=[said.out or said.err])


# The last words of tools whose service is away or does not speak their protocol.
AWAY = re.compile(
    r"no answer within \d+ s$"  # ours
    # pip-audit's, and those of the libraries it asks with, at the end of a traceback
    r"|([\w.]+\.)?(ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|HTTPError): "
    r"|pip_audit\.[\w.]+\.ServiceError$"
    r"|ERROR:pip_audit\._cli:Tip: your network may be blocking this service"
    # npm's
    r"|request to \S+ failed, reason: "
    r"|network timeout at: "
    r"|[45]\d\d [A-Z][A-Za-z -]+ - (GET|POST) https?://"
)


def _unanswered(what: str, said: Output) -> Verdict:
    """A tool that is missing or says something else is a failure: nothing was looked up."""
    reason = _reason(said)
    text = f"{what} could not be asked: {reason[:200]}"
    return Verdict(notes=[text]) if AWAY.match(reason) else Verdict(findings=[text])


def _reason(said: Output) -> str:
    """npm's `message`, or the last line."""
    try:
        return str(json.loads(said.out)["message"])
    except SHAPELESS:
        return (said.err.strip().splitlines() or ["it said nothing"])[-1]


def run(command: list[str]) -> Output:
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return Output(1, "", f"no answer within {PATIENCE} s")
    except OSError as error:
        return Output(1, "", str(error))
    return Output(done.returncode, done.stdout, done.stderr)


PYTHON = [sys.executable, "-m"]
CHECKS: dict[str, tuple[list[str], Callable[[Output], Verdict]]] = {
    "pip-audit": (
        [*PYTHON, "pip_audit", "--local", "--format", "json", "--progress-spinner", "off"],
        judge_pip,
    ),
    "npm audit": (["npm", "audit", "--json"], judge_npm),
    "bandit": (
        [*PYTHON, "bandit", "--quiet", "--configfile", "pyproject.toml", "--recursive",
         "livestream", "streams", "chat", "deploy", "manage.py"],
        judge_bandit,
    ),
}  # fmt: skip


def main() -> int:
    with ThreadPoolExecutor() as pool:
        outputs = pool.map(run, [command for command, _ in CHECKS.values()])
    failed = False
    for (name, (_, judge)), output in zip(CHECKS.items(), outputs, strict=True):
        verdict = judge(output)
        failed |= bool(verdict.findings)
        for line in verdict.findings:
            sys.stderr.write(f"{name}: {line}\n")
        for line in verdict.notes:
            sys.stdout.write(f"Note: {line}\n")
        if not verdict.findings and not verdict.notes:
            sys.stdout.write(f"{name}: nothing found\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
