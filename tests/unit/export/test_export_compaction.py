"""Weights in half precision: smaller files, the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from ssa_backend.settings import RepositorySettings, SamSettings
from ssa_export import networks
from ssa_export.checkpoints import load_blip, load_clip
from ssa_export.compaction import compact_weights
from ssa_export.onnx_export import export_onnx
from ssa_export.parity import check_parity


def test_only_what_half_precision_holds_exactly() -> None:
    exact = np.linspace(-2, 2, 1025, dtype=np.float32).reshape(25, 41)
    weights = {
        "exact": exact,
        "small": exact[0],
        "inexact": exact + np.float32(1e-6),
        "too large": exact * np.float32(1e6),
        "nothing": np.zeros((0, 41), np.float32),
        "whole": np.arange(300),
    }
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph([], "weights", [], [], initializers)
    compact_weights(graph)
    kinds = {weight.name: weight.data_type for weight in graph.initializer}
    assert kinds == {
        "exact/half": TensorProto.FLOAT16,
        "small": TensorProto.FLOAT,
        "inexact": TensorProto.FLOAT,
        "too large": TensorProto.FLOAT,
        "nothing": TensorProto.FLOAT,
        "whole": TensorProto.INT64,
    }
    (cast,) = graph.node
    assert (cast.op_type, list(cast.input), list(cast.output)) == (
        "Cast",
        ["exact/half"],
        ["exact"],
    )


@pytest.mark.parametrize("name", ["clip_image_encoder", "blip_text_decoder"])
def test_a_checkpoint_in_half_precision_takes_half_the_room(
    engine_folders: Mapping[str, Path], tmp_path: Path, name: str
) -> None:
    part, load = ("clip", load_clip) if name.startswith("clip") else ("blip", load_blip)
    saved = load(str(engine_folders[part]))
    folder = tmp_path / "half"
    saved.model.half().save_pretrained(folder)
    for file in engine_folders[part].iterdir():
        if not (folder / file.name).exists():
            (folder / file.name).write_bytes(file.read_bytes())
    loaded = load(str(folder))
    parts = {part: loaded.settings}
    network = getattr(networks, name)(loaded, RepositorySettings("", SamSettings(), **parts).axes)  # type: ignore[arg-type]
    (tmp_path / "plain").mkdir()
    (tmp_path / "compact").mkdir()
    plain = export_onnx(network, tmp_path / "plain")
    compact = export_onnx(network, tmp_path / "compact", compact=True)
    check_parity(network, compact)

    def weight_bytes(path: Path) -> int:
        return sum(len(weight.raw_data) for weight in onnx.load(path).graph.initializer)

    assert weight_bytes(compact) < 0.65 * weight_bytes(plain)
    inputs = network.random_inputs({"batch": 3}, np.random.default_rng(0))
    outputs = [ort.InferenceSession(path).run(None, inputs)[0] for path in (plain, compact)]
    np.testing.assert_array_equal(*outputs)
