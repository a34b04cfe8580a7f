"""The audit tells findings from services that did not answer."""

import json
from typing import Any

import pytest

from tests import audit
from tests.audit import Output, judge_bandit, judge_npm, judge_pip, run


def output(found: Any, status: int = 0) -> Output:
    return Output(status, json.dumps(found), "")


WEAK = {
    "name": "django",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["1.1"]}],
}
WEAK_NPM = {
    "vulnerabilities": {
        "hls.js": {"via": [{"url": "https://advisory/1", "range": "<2"}]},
        "player": {"via": ["hls.js"]},
    }
}


def test_a_weak_package_is_a_finding() -> None:
    verdict = judge_pip(output({"dependencies": [WEAK]}, 1))
    assert verdict.findings == ["django 1.0: PYSEC-1, mended in 1.1"]
    assert judge_npm(output(WEAK_NPM, 1)).findings == ["hls.js <2: https://advisory/1"]


def test_an_exception_with_a_reason_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "EXCEPTIONS", {"CVE-1": "not used", "https://advisory/1": "either"})
    assert judge_pip(output({"dependencies": [WEAK]}, 1)).findings == []
    assert judge_npm(output(WEAK_NPM, 1)).findings == []


def test_packages_without_weaknesses_are_neither_finding_nor_note() -> None:
    clean = {"name": "django", "version": "2.0", "vulns": []}
    assert judge_pip(output({"dependencies": [clean]})) == audit.Verdict()
    assert judge_npm(output({"vulnerabilities": {}})) == audit.Verdict()


@pytest.mark.parametrize(
    "reason",
    [
        "no answer within 60 s",
        "requests.exceptions.ProxyError: HTTPSConnectionPool(host='pypi.org', port=443): Max "
        "retries exceeded (Caused by ProxyError('Unable to connect to proxy'))",
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='pypi.org', port=443): "
        "Failed to resolve 'pypi.org'",
        "requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='pypi.org', port=443): Read "
        "timed out.",
        "pip_audit._service.interface.ServiceError",
        "ERROR:pip_audit._cli:Tip: your network may be blocking this service. Try another service",
    ],
)
def test_a_service_that_pip_audit_cannot_reach_is_a_note_that_says_why(reason: str) -> None:
    verdict = judge_pip(Output(1, "", f"Traceback (most recent call last):\n  …\n{reason}\n"))
    assert verdict.findings == []
    assert reason[:60] in verdict.notes[0]


@pytest.mark.parametrize(
    "message",
    [
        "request to https://registry.example/-/npm/v1/security/advisories/bulk failed, reason: "
        "getaddrinfo ENOTFOUND registry.example",
        "405 Method Not Allowed - POST https://registry.example/-/npm/v1/security/advisories/bulk",
        "503 Service Unavailable - POST https://registry.example/-/npm/v1/security/audits/quick",
        "network timeout at: https://registry.example/-/npm/v1/security/advisories/bulk",
    ],
)
def test_a_service_that_npm_cannot_reach_is_a_note_that_says_why(message: str) -> None:
    verdict = judge_npm(output({"message": message, "error": {"summary": ""}}, 1))
    assert verdict.findings == []
    assert message[:60] in verdict.notes[0]


def test_packages_the_service_does_not_know_are_a_note() -> None:
    skipped = {"name": "redis", "skip_reason": "not found"}
    verdict = judge_pip(output({"dependencies": [skipped, WEAK]}, 1))
    assert len(verdict.findings) == 1
    assert "1 of 2 packages" in verdict.notes[0]


def test_a_program_that_is_not_there_or_hangs_is_no_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit, "PATIENCE", 0.1)
    assert "No such file" in run(["there-is-no-such-program"]).err
    assert "no answer" in run(["sleep", "60"]).err


def test_our_own_weak_spot_is_found(tmp_path: Any) -> None:
    (tmp_path / "weak.py").write_text("import os\nos.system(input())\n")
    command, judge = audit.CHECKS["bandit"]
    found = judge(run([*command, str(tmp_path)])).findings
    assert "B605" in found[0]
    assert judge_bandit(run(command)).findings == []


@pytest.mark.parametrize(
    "said",
    [
        Output(1, "", "/usr/bin/python: No module named pip_audit"),
        Output(1, "", "[Errno 2] No such file or directory: 'npm'"),
        Output(0, "{}", ""),
        Output(0, "null", ""),
        Output(0, "[]", ""),
        Output(0, '"vulnerabilities"', ""),
        output({"dependencies": None, "vulnerabilities": None}),
        output({"dependencies": [None], "vulnerabilities": [None]}),
        output({"dependencies": [[]], "vulnerabilities": {"hls.js": None}}),
        output({"dependencies": [{"vulns": None}], "vulnerabilities": {"hls.js": {"via": [{}]}}}),
        # Broken, whatever they mention.
        Output(1, "", "ModuleNotFoundError: No module named 'urllib3.connection'"),
        Output(1, "", "ImportError: cannot import name 'network' from 'pip_audit'"),
        Output(1, "", "requests.exceptions.ConnectionError: no route\nKeyError: 'versions'"),
        Output(1, "", '  File "audit.py", line 404, in connect\nTypeError: timeout'),
        output({"message": "Invalid package-lock.json at line 443: unreachable"}, 1),
        output({"error": {"code": "ENOLOCK", "summary": "This command requires a lockfile."}}, 1),
    ],
)
def test_a_tool_that_looked_nothing_up_is_a_finding(said: Output) -> None:
    for judge in (judge_pip, judge_npm):
        verdict = judge(said)
        assert verdict.notes == []
        assert "could not be asked" in verdict.findings[0]
