"""The ledger: a row per fault, and the table of them that ends a test run."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """Seconds; None: does not apply."""

    fault: str
    stalled: float | None
    lost: float | None
    recovered: float | None
    remark: str = ""


@dataclass
class Ledger:
    entries: list[Entry] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)

    def table(self) -> list[str]:
        """Markdown."""
        if not self.entries:
            return []
        head = ["| fault | viewer stalled | media lost | recovered in | |", "|---|--:|--:|--:|---|"]
        return head + [
            f"| {e.fault} | {_seconds(e.stalled)} | {_seconds(e.lost)} | {_seconds(e.recovered)} "
            f"| {e.remark} |"
            for e in self.entries
        ]


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"
