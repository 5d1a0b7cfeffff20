"""A `FakeTriton` that knows how its models are configured."""

from __future__ import annotations

from typing import Any

from grpc import StatusCode
from tritonclient.grpc import service_pb2

from ssa_backend.settings import RepositorySettings
from ssa_export.model_config import configs
from tests.unit.client.fake_triton import FakeTriton, Tensors


class DescribedTriton(FakeTriton):
    """A server that also says what it is and how its models are configured."""

    def __init__(self, tensors: Tensors, settings: RepositorySettings) -> None:
        super().__init__(tensors)
        self.configs = {config.name: config for config in configs(settings)}

    def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.name not in self.configs:
            context.abort(StatusCode.NOT_FOUND, f"unknown model {request.name}")
        return service_pb2.ModelConfigResponse(config=self.configs[request.name])
