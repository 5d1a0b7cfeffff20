"""From checkpoints to a model repository, whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ssa_backend.settings import REPOSITORY_FILE, RepositorySettings
from ssa_export import networks
from ssa_export.checkpoints import LoadedSam, LoadedSegmenter, load_sam, load_segmenter
from ssa_export.errors import DestinationError
from ssa_export.model_config import VERSION, write_configs
from ssa_export.networks import Network
from ssa_export.onnx_export import EXTERNAL_DATA_ABOVE, export_onnx
from ssa_export.parity import check_parity
from ssa_export.presets import Preset

Report = Callable[[str], None]


def export_repository(
    preset: Preset,
    repository: Path,
    report: Report = lambda message: None,
    external_data_above: int = EXTERNAL_DATA_ABOVE,
) -> RepositorySettings:
    """Export a preset's checkpoints into `repository`, in the layout that Triton serves.

    All is written to a folder beside it and moved into place at the end, so that a failure
    leaves nothing behind and an earlier repository as it was.

    Args:
        preset: the checkpoints and the default mask settings.
        repository: the folder to write; an exported repository in its place is replaced.
        report: told in a sentence what is being done.
        external_data_above: bytes of weights beyond which they go into a file of their own.

    Raises:
        ExportError: a bad source, an export that is off, or a destination that is something else.
    """
    with replacing(repository) as staging:
        report(f"loading SAM from {preset.sam}")
        sam = load_sam(preset.sam)
        report(f"loading the segmenter from {preset.segmenter}")
        segmenter = load_segmenter(preset.segmenter)
        if segmenter.unused:
            report(f"left out {len(segmenter.unused)} weights that the segmenter does not use")
        settings = RepositorySettings(
            preset.name, sam.settings, segmenter.settings, masks=preset.masks
        )
        write_configs(staging, settings)
        for network in _networks(sam, segmenter, settings):
            export_network(network, staging, report, external_data_above)
    report(f"wrote {repository}")
    return settings


def _networks(
    sam: LoadedSam, segmenter: LoadedSegmenter, settings: RepositorySettings
) -> Iterator[Network]:
    yield networks.image_encoder(sam, settings.axes)
    yield networks.mask_decoder(sam, settings.axes)
    yield networks.semantic_segmenter(segmenter, settings.axes)


def export_network(
    network: Network, repository: Path, report: Report, external_data_above: int
) -> None:
    """Export one network into its model's folder and compare it with its source."""
    name = network.spec.name
    report(f"exporting {name}")
    version = repository / name / VERSION
    version.mkdir(parents=True, exist_ok=True)
    path = export_onnx(network, version, external_data_above)
    report(f"comparing {name} with its source")
    worst = max(difference.relative for difference in check_parity(network, path))
    report(f"{name} matches to {worst:.1e} of its largest value")


@contextmanager
def replacing(repository: Path) -> Iterator[Path]:
    """A new folder that takes the place of `repository` when the block ends without an error.

    Raises:
        DestinationError: `repository` holds something other than an exported repository.
    """
    _check_destination(repository)
    repository = repository.absolute()
    repository.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=repository.parent, prefix=".export-") as scratch:
        # A folder of its own: the scratch folder is private to this user, and a server is not.
        staging = Path(scratch) / repository.name
        staging.mkdir()
        yield staging
        if repository.exists():
            repository.rename(Path(scratch) / "replaced")
        staging.rename(repository)


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
