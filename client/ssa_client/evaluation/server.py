"""What a server runs, asked of the server itself: nothing of its disk is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from ssa_backend.settings import PRESET
from ssa_client.evaluation.errors import ClassesError
from ssa_client.exceptions import from_triton

_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class ServerDescription:
    """A server, the pipeline asked about, and the parts of its repository's settings.

    `settings` maps a part ("sam", "segmenter", "masks", ...) to what its steps are configured with.
    `backends` maps each model of the pipeline to what runs it, `versions` to those that are loaded.
    `preset` is what `ssa export` made the repository of; None where the server does not say it.
    """

    url: str
    name: str
    version: str
    model: str
    settings: dict[str, Any]
    backends: dict[str, str]
    versions: dict[str, list[str]] = field(default_factory=dict)
    preset: str | None = None

    @property
    def checkpoints(self) -> dict[str, dict[str, str]]:
        """Source and SHA-256 of every checkpoint, by part."""
        return {
            part: {"source": values.get("source", ""), "sha256": values["sha256"]}
            for part, values in self.settings.items()
            if isinstance(values, dict) and "sha256" in values
        }

    @property
    def labels(self) -> tuple[str, ...]:
        """The closed set's class names in the order of their ids.

        Raises:
            ClassesError: the pipeline has none.
        """
        try:
            return tuple(self.settings["segmenter"]["labels"])
        except (KeyError, TypeError):
            raise ClassesError(
                f"{self.model!r} at {self.url} does not say which classes it has; expected a "
                "closed-set pipeline of this project, such as 'ssa'."
            ) from None

    def to_json(self) -> dict[str, Any]:
        """What a report keeps of it."""
        return {
            "url": self.url,
            "name": self.name,
            "version": self.version,
            "model": self.model,
            "preset": self.preset,
            "checkpoints": self.checkpoints,
            "settings": self.settings,
            "backends": self.backends,
        }


def describe_server(url: str, model: str) -> ServerDescription:
    """Ask the server at `url` (host:port of its gRPC) what it is and what `model` consists of.

    Raises:
        SsaError: nobody answers, or the model is not served; see `ssa_client.exceptions`.
    """
    client = tritonclient.grpc.InferenceServerClient(url)
    try:
        about = client.get_server_metadata(client_timeout=_TIMEOUT_S)
        ensemble = _config(client, model)
        steps = [_config(client, step.model_name) for step in ensemble.ensemble_scheduling.step]
        versions = {config.name: _versions(client, config.name) for config in (ensemble, *steps)}
    except InferenceServerException as error:
        raise from_triton(error) from error
    finally:
        client.close()
    settings = {
        part: _value(parameter.string_value)
        for config in (ensemble, *steps)
        for part, parameter in sorted(config.parameters.items())
    }
    return ServerDescription(
        url=url,
        name=about.name,
        version=about.version,
        model=model,
        preset=settings.pop(PRESET, None),
        settings=settings,
        backends={config.name: config.backend or config.platform for config in (ensemble, *steps)},
        versions=versions,
    )


def _config(client: tritonclient.grpc.InferenceServerClient, model: str) -> Any:
    return client.get_model_config(model, client_timeout=_TIMEOUT_S).config


def _versions(client: tritonclient.grpc.InferenceServerClient, model: str) -> list[str]:
    return list(client.get_model_metadata(model, client_timeout=_TIMEOUT_S).versions)


def _value(text: str) -> Any:
    """A parameter's value: this project's are JSON, others' may be anything."""
    try:
        return json.loads(text)
    except ValueError:
        return text
