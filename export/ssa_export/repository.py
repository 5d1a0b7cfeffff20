"""From checkpoints to a model repository, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ssa_backend.settings import REPOSITORY_FILE, Precision, RepositorySettings
from ssa_export.errors import DestinationError
from ssa_export.model_config import VERSION, write_configs
from ssa_export.networks import Network
from ssa_export.onnx_export import EXTERNAL_DATA_ABOVE, MODEL_FILE, export_onnx
from ssa_export.onnx_runners import OnnxExport
from ssa_export.parity import check_parity
from ssa_export.parts import Report, load_parts
from ssa_export.precision import lower_sam, require_openvino
from ssa_export.presets import Preset
from ssa_export.tensorrt import build_plans, require_tensorrt


@dataclass(frozen=True)
class ExportOptions:
    """How to export.

    Attributes:
        tensorrt: build TensorRT plans from the ONNX files, and serve those.
        fp16: let plans compute in half precision where that is safe.
        sam_precision: of SAM on the CPU; others than "fp32" change masks a little.
        calibration_images: a folder of pictures to choose the ranges of "int8" by; None draws some.
        compact_weights: store weights in half precision where it holds them exactly.
        external_data_above: bytes of weights beyond which they go into a file of their own.
    """

    tensorrt: bool = False
    fp16: bool = False
    sam_precision: Precision = "fp32"
    calibration_images: Path | None = None
    compact_weights: bool = False
    external_data_above: int = EXTERNAL_DATA_ABOVE


def export_repository(
    preset: Preset,
    repository: Path,
    report: Report = lambda message: None,
    options: ExportOptions | None = None,
) -> RepositorySettings:
    """Export a preset's checkpoints into `repository`, in the layout that Triton serves.

    All is written to a folder beside it and moved into place at the end, so that a failure
    leaves nothing behind and an earlier repository as it was.

    Args:
        preset: the checkpoints and the default mask settings; parts it lacks are not served.
        repository: the folder to write; an exported repository in its place is replaced.
        report: told in a sentence what is being done.
        options: the defaults when None.

    Raises:
        ExportError: a bad source, an export that is off, or a destination that is something else.
    """
    options = options or ExportOptions()
    if options.tensorrt:
        require_tensorrt()
    if options.sam_precision != "fp32":
        require_openvino()
        # Clients see the name, and a job refuses to mix two.
        preset = replace(preset, name=f"{preset.name}, {options.sam_precision}")
    with replacing(repository) as staging:
        # All are loaded before the long work begins, so that a bad one ends it early.
        parts = load_parts(preset, report)
        backend = "tensorrt" if options.tensorrt else "onnxruntime"
        settings = parts.settings(preset, backend, options.sam_precision)
        write_configs(staging, settings)
        parts.write_tokenizers(staging)
        exports = [
            export_network(
                network,
                staging,
                report,
                options.external_data_above,
                compact=options.compact_weights or preset.compact_weights,
            )
            for network in parts.networks(settings.axes)
        ]
        if settings.sam_precision != "fp32":
            report(f"bringing SAM to {settings.sam_precision} and comparing its masks")
            agreement = lower_sam(exports, settings, options.calibration_images)
            report(f"masks in {settings.sam_precision} have a mean IoU of {agreement:.4f} to exact")
        if options.tensorrt:
            _replace_by_plans(exports, settings, report, fp16=options.fp16)
    report(f"wrote {repository}")
    return settings


def export_network(
    network: Network,
    repository: Path,
    report: Report = lambda message: None,
    external_data_above: int = EXTERNAL_DATA_ABOVE,
    *,
    compact: bool = False,
) -> OnnxExport:
    """Export one network into its model's folder and compare it with its source.

    Raises:
        ExportError: it cannot be traced, or what was traced is off.
    """
    name = network.spec.name
    report(f"exporting {name}")
    version = repository / name / VERSION
    version.mkdir(parents=True, exist_ok=True)
    path = export_onnx(network, version, external_data_above, compact=compact)
    report(f"comparing {name} with its source")
    worst = max(difference.relative for difference in check_parity(network, path))
    report(f"{name} matches to {worst:.1e} of its largest value")
    return OnnxExport(network, path, version)


def _replace_by_plans(
    exports: list[OnnxExport], settings: RepositorySettings, report: Report, *, fp16: bool
) -> None:
    report("building TensorRT plans, which takes minutes")
    exports = [export for export in exports if export.network.spec.tensorrt]
    for name, agreement in build_plans(exports, settings, fp16=fp16).items():
        report(f"the plan of {name} agrees with ONNX to {agreement:.4f}")
    for export in exports:
        model = export.version / MODEL_FILE
        if model.is_dir():
            shutil.rmtree(model)
        else:
            model.unlink()


@contextmanager
def replacing(repository: Path) -> Iterator[Path]:
    """A new folder that takes the place of `repository` when the block ends without an error.

    Raises:
        DestinationError: `repository` holds something other than an exported repository, or
            cannot be written.
    """
    _check_destination(repository)
    repository = repository.absolute()
    with _writing(repository):
        repository.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=repository.parent, prefix=".export-")
    with scratch:
        # A folder of its own: the scratch folder is private to this user, and a server is not.
        staging = Path(scratch.name) / repository.name
        staging.mkdir()
        yield staging
        with _writing(repository):
            if repository.exists():
                repository.rename(Path(scratch.name) / "replaced")
            staging.rename(repository)


@contextmanager
def _writing(repository: Path) -> Iterator[None]:
    """Name the destination where the system refuses it, such as a mount point or a bad parent."""
    try:
        yield
    except OSError as error:
        raise DestinationError(
            f"{repository} cannot be written ({error.strerror}); "
            "expected a folder that can be made or replaced."
        ) from error


def _check_destination(repository: Path) -> None:
    if not repository.exists():
        return
    if not repository.is_dir():
        raise DestinationError(f"{repository} is a file; expected a folder to export into.")
    if any(repository.iterdir()) and not (repository / REPOSITORY_FILE).is_file():
        raise DestinationError(
            f"{repository} holds no {REPOSITORY_FILE}, so it was not written by ssa export and "
            "is left alone; choose an empty or a new folder."
        )
