"""Fences: which of a broadcast's runs count."""

from collections.abc import Iterable
from typing import Any

Facts = dict[str, Any]


def counting(runs: Iterable[tuple[str, Facts | None]]) -> list[tuple[str, Facts]]:
    """Of run folders with what their run.json says, oldest first. One that was begun by a holder
    whose lease was lost already has a lower fence than an earlier one, and never counts."""
    found: list[tuple[str, Facts]] = []
    highest = 0
    for name, facts in runs:
        if facts is not None and facts.get("fence", 0) >= highest:
            highest = facts.get("fence", 0)
            found.append((name, facts))
    return found
