"""What a job is: where its images are, what is asked for, and what answers.

Results of two different jobs must not lie in one folder, so that this is written there first and
compared by every later run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ssa_client import __version__
from ssa_client.evaluation.server import ServerDescription
from ssa_client.jobs.errors import JobDiffersError
from ssa_client.jobs.storage import Storage

MANIFEST_NAME = "_job.json"
_FORMAT = 1


@dataclass(frozen=True)
class Request:
    """What is asked for every image."""

    images: str  # where they are: an absolute path or a URL
    model: str
    settings: Mapping[str, str] = field(default_factory=dict)
    classes: Sequence[str] | None = None  # None: the engine's own vocabulary
    masks: str | None = None  # the format of those beside the images; None: SAM finds them


@dataclass(frozen=True)
class Manifest:
    """`request`, the models that answer it, and what they are configured with.

    `made_with` is only told: a new release of either side goes on with the job. URLs are not part
    of a job at all: another server with the same models may finish it.
    """

    request: dict[str, Any]
    models: dict[str, Any]
    settings: dict[str, Any]
    made_with: dict[str, str] = field(compare=False)
    format: int = _FORMAT

    @classmethod
    def of(cls, request: Request, server: ServerDescription) -> Manifest:
        """The manifest of `request` when `server` answers it."""
        models = {
            name: {"backend": backend, "versions": server.versions.get(name, [])}
            for name, backend in server.backends.items()
        }
        settings = {part: _without_source(value) for part, value in server.settings.items()}
        made_with = {"ssa-triton": __version__, server.name: server.version}
        manifest = cls(asdict(request), models, settings, made_with)
        return cls(**json.loads(json.dumps(asdict(manifest))))  # as it will be read

    @classmethod
    def read(cls, storage: Storage) -> Manifest | None:
        """The manifest in a folder; None where there is none.

        Raises:
            JobDiffersError: it is not one that this release reads.
            OSError: it is there and cannot be read.
        """
        try:
            document = json.loads(storage.read(MANIFEST_NAME))
            if document["format"] != _FORMAT:
                raise ValueError(f"its format is {document['format']}, expected {_FORMAT}")
            return cls(**document)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            where = storage.at(MANIFEST_NAME)
            raise JobDiffersError(
                f"{where!r} does not describe a job ({error}); name another --out."
            ) from error

    def write(self, storage: Storage) -> None:
        """Write it there, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        text = json.dumps(asdict(self), indent=1) + "\n"
        storage.write(MANIFEST_NAME, text.encode())

    def differences(self, now: Manifest) -> list[str]:
        """What differs from `now`, a sentence each."""
        return list(_differences("", _compared(self), _compared(now)))


def _compared(manifest: Manifest) -> dict[str, Any]:
    return {
        "request": manifest.request,
        "models": manifest.models,
        "settings": manifest.settings,
    }


def _without_source(value: Any) -> Any:
    """A checkpoint is known by its hash; its path or Hub id differs by where one got it."""
    if isinstance(value, dict) and "sha256" in value:
        return {key: inner for key, inner in value.items() if key != "source"}
    return value


_ABSENT = object()


def _differences(where: str, then: Any, now: Any) -> Iterator[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted({*then, *now}):
            inner = f"{where}.{key}" if where else key
            yield from _differences(inner, then.get(key, _ABSENT), now.get(key, _ABSENT))
    elif then != now:
        yield f"{where} was {_short(then)}, is {_short(now)}"


def _short(value: Any) -> str:
    if value is _ABSENT:
        return "not there"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
