"""The guides, docs/deploy.md and others: their marked blocks, for tests to run as they stand."""

import re
from pathlib import Path

from tests.deploy.installation import ROOT

GUIDE = ROOT / "docs/deploy.md"
OF_CONTAINERS = ROOT / "docs/containers.md"


def block(name: str, guide: Path = GUIDE) -> str:
    """The fenced block that follows the mark `<!-- name -->`."""
    found = re.search(rf"^<!-- {name} -->\n```\n(.*?)```$", guide.read_text(), re.M | re.S)
    assert found is not None, f"{guide.name} has no block {name}"
    return found[1]


def settings(*names: str) -> dict[str, str]:
    """The variables that blocks set."""
    lines = [line for name in names for line in block(name).splitlines()]
    return dict(line.split("=", 1) for line in lines)
