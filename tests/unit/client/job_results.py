"""What a job over the fixture `photos` leaves behind."""

from __future__ import annotations

from pathlib import Path

NOTES = ("_job.json", "_job.lock", "_failures.jsonl")
ALL = {f"{name}_semantic.json" for name in "abcdef"}


def results(out: Path) -> dict[str, bytes]:
    """The files in `out` that are no notes of the job, by name."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name not in NOTES}
