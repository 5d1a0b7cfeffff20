"""What a repository's checkpoints fix, and what a request may set.

`RepositorySettings` is written once, by `ssa export`, as `repository.json`; every `config.pbtxt`
follows from it and from `specs`. A Python step reads its own part back from its config's
parameters.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from ssa_backend.errors import InvalidInputError

REPOSITORY_FILE = "repository.json"
# The parameter of an ensemble's config that holds the preset's name, as JSON.
PRESET = "preset"

# Of SAM's arithmetic on the CPU.
Precision = Literal["fp32", "bf16", "int8"]

S = TypeVar(
    "S",
    "SamSettings",
    "SegmenterSettings",
    "BlipSettings",
    "ClipSettings",
    "ClipSegSettings",
    "MaskSettings",
    "ImageSettings",
)

# OpenAI's, which CLIP and BLIP share.
_CLIP_MEAN = (122.7709383, 116.7460125, 104.09373615)
_CLIP_STD = (68.5005327, 66.6321579, 70.32316305)
_IMAGENET_MEAN = (123.675, 116.28, 103.53)
_IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class ImageSettings:
    """What an incoming image may be. Sizes in pixels and bytes."""

    min_side: int = 8
    max_pixels: int = 50_000_000
    max_bytes: int = 64 * 2**20


@dataclass(frozen=True)
class SamSettings:
    """A SAM checkpoint: sizes in pixels, `mean` and `std` of RGB on the scale 0..255."""

    image_size: int = 1024
    embed_dim: int = 256
    embed_size: int = 64
    mask_size: int = 256
    mean: tuple[float, ...] = _IMAGENET_MEAN
    std: tuple[float, ...] = _IMAGENET_STD
    mask_threshold: float = 0.0
    source: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class SegmenterSettings:
    """A semantic segmenter: sizes in pixels, `mean` and `std` of RGB on the scale 0..255.

    `labels[i]` names class `i`. `align_corners` is how logits grow to the image's size: True for
    Segformer as the original SSA does it.
    """

    height: int
    width: int
    logits_height: int
    logits_width: int
    labels: tuple[str, ...]
    mean: tuple[float, ...] = _IMAGENET_MEAN
    std: tuple[float, ...] = _IMAGENET_STD
    align_corners: bool = True
    source: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class BlipSettings:
    """A BLIP captioner: sizes in pixels and tokens, `mean` and `std` on the scale 0..255."""

    image_size: int
    patches: int
    width: int
    mean: tuple[float, ...] = _CLIP_MEAN
    std: tuple[float, ...] = _CLIP_STD
    source: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class ClipSettings:
    """A CLIP checkpoint: sizes in pixels and tokens, `mean` and `std` on the scale 0..255.

    `logit_scale` multiplies cosines before the softmax; it is the exponential of the checkpoint's.
    """

    image_size: int
    embed_dim: int
    logit_scale: float
    context_length: int = 77
    mean: tuple[float, ...] = _CLIP_MEAN
    std: tuple[float, ...] = _CLIP_STD
    source: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class ClipSegSettings:
    """A CLIPSeg checkpoint, read at `image_size` x `image_size` pixels.

    `mean` and `std` on the scale 0..255. `layers`, `patches` and `reduced` are the shape of what
    its decoder starts from.
    """

    image_size: int
    layers: int
    patches: int
    reduced: int
    embed_dim: int
    context_length: int = 77
    mean: tuple[float, ...] = _IMAGENET_MEAN
    std: tuple[float, ...] = _IMAGENET_STD
    source: str = ""
    sha256: str = ""


def _setting(default: float, low: float, high: float) -> Any:
    return field(default=default, metadata={"range": (low, high)})


@dataclass(frozen=True)
class MaskSettings:
    """Settings of mask generation, with the names and meanings of `SamAutomaticMaskGenerator`.

    A request may set each of them within its declared range; the defaults come from the preset.

    Attributes:
        adaptive_prompts: not of segment-anything: 1 asks every second row and column of the grid
            first, and of the other prompts those that lie in no mask so far. Masks are missed.
    """

    points_per_side: int = _setting(32, 1, 256)
    points_per_batch: int = _setting(64, 1, 256)
    pred_iou_thresh: float = _setting(0.86, 0.0, 1.0)
    stability_score_thresh: float = _setting(0.92, 0.0, 1.0)
    stability_score_offset: float = _setting(1.0, 0.0, 100.0)
    box_nms_thresh: float = _setting(0.7, 0.0, 1.0)
    crop_n_layers: int = _setting(0, 0, 4)
    crop_nms_thresh: float = _setting(0.7, 0.0, 1.0)
    crop_overlap_ratio: float = _setting(512 / 1500, 0.0, 1.0)
    crop_n_points_downscale_factor: int = _setting(2, 1, 16)
    min_mask_region_area: int = _setting(100, 0, 2**31 - 1)
    adaptive_prompts: int = _setting(0, 0, 1)

    def updated(self, parameters: Mapping[str, Any]) -> MaskSettings:
        """These settings with a request's `parameters` over them.

        A number may also come as text ("0.9"), which is all that some clients can send.

        Raises:
            InvalidInputError: an unknown name, a value of another type or out of its range.
        """
        known = {f.name: f for f in fields(self)}
        values = asdict(self)
        for name, value in parameters.items():
            if name not in known:
                raise InvalidInputError(_unknown_parameter(name, list(known)))
            kind = int if known[name].type == "int" else float
            values[name] = _checked(name, value, kind, *known[name].metadata["range"])
        return MaskSettings(**values)


def refuse_parameters(parameters: Mapping[str, Any]) -> None:
    """For a request that has nothing to set.

    Raises:
        InvalidInputError: it sets something.
    """
    if parameters:
        raise InvalidInputError(
            f"unknown parameter {next(iter(parameters))!r}: there are none where masks come with "
            "the request."
        )


def _unknown_parameter(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"unknown parameter {name!r}{hint} Known parameters: {', '.join(known)}."


def _checked(name: str, value: Any, kind: type[int] | type[float], low: float, high: float) -> Any:
    """`value` as a number of `kind` within [low, high]."""
    kind_name = "a whole number" if kind is int else "a number"
    expected = f"expected {kind_name} from {low:g} to {high:g}"
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
        if kind is int and not number.is_integer():
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise InvalidInputError(f"parameter {name!r} is {value!r}; {expected}.") from None
    if not (math.isfinite(number) and low <= number <= high):
        raise InvalidInputError(f"parameter {name!r} is {value}; {expected}.")
    return kind(number)


def to_json(settings: Any) -> str:
    """A settings object as one line of JSON, the form it has in a `config.pbtxt` parameter."""
    return json.dumps(asdict(settings), ensure_ascii=False)


def from_json(kind: type[S], text: str) -> S:
    """The inverse of `to_json`."""
    return _build(kind, json.loads(text))


def _build(make: Callable[..., S], values: Mapping[str, Any]) -> S:
    """A settings object from JSON values, in which a tuple is a list."""
    return make(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


@dataclass(frozen=True)
class RepositorySettings:
    """Everything that tells one model repository from another.

    A part that is None is not served, nor is any ensemble that needs it. `network_backend` is what
    runs the exported networks: "onnxruntime" or "tensorrt". A `sam_precision` below "fp32" is for
    the CPU, where ONNX Runtime hands SAM's two on to OpenVINO.
    """

    preset: str
    sam: SamSettings
    segmenter: SegmenterSettings | None = None
    coco: SegmenterSettings | None = None
    ade20k: SegmenterSettings | None = None
    blip: BlipSettings | None = None
    clip: ClipSettings | None = None
    clipseg: ClipSegSettings | None = None
    masks: MaskSettings = field(default_factory=MaskSettings)
    images: ImageSettings = field(default_factory=ImageSettings)
    network_backend: str = "onnxruntime"
    sam_precision: Precision = "fp32"

    @property
    def parts(self) -> frozenset[str]:
        """The names of the parts that are there."""
        return frozenset(f.name for f in fields(self) if getattr(self, f.name) is not None)

    @property
    def axes(self) -> dict[str, int]:
        """The length of every axis in `specs.CHECKPOINT_AXES` that the parts fix."""
        axes = {
            "sam_size": self.sam.image_size,
            "embed_dim": self.sam.embed_dim,
            "embed_size": self.sam.embed_size,
            "mask_size": self.sam.mask_size,
        }
        for part in ("segmenter", "coco", "ade20k"):
            if segmenter := getattr(self, part):
                axes |= {
                    f"{part}_height": segmenter.height,
                    f"{part}_width": segmenter.width,
                    f"{part}_logits_height": segmenter.logits_height,
                    f"{part}_logits_width": segmenter.logits_width,
                    f"{part}_classes": len(segmenter.labels),
                }
        if self.blip:
            axes |= {
                "blip_size": self.blip.image_size,
                "blip_patches": self.blip.patches,
                "blip_width": self.blip.width,
            }
        if self.clip:
            axes |= {"clip_size": self.clip.image_size, "clip_dim": self.clip.embed_dim}
        if self.clipseg:
            axes |= {
                "clipseg_size": self.clipseg.image_size,
                "clipseg_layers": self.clipseg.layers,
                "clipseg_patches": self.clipseg.patches,
                "clipseg_reduced": self.clipseg.reduced,
                "clipseg_dim": self.clipseg.embed_dim,
            }
        return axes

    def save(self, repository: Path) -> None:
        """Write `repository.json` into the folder `repository`."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (repository / REPOSITORY_FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, repository: Path) -> RepositorySettings:
        """Read `repository.json` from the folder `repository`.

        Raises:
            FileNotFoundError: the folder was not written by `ssa export`.
        """
        data = json.loads((repository / REPOSITORY_FILE).read_text(encoding="utf-8"))
        parts = {name: _build(kind, data[name]) for name, kind in _PARTS.items() if data.get(name)}
        backend, precision = data["network_backend"], data.get("sam_precision", "fp32")
        return cls(data["preset"], network_backend=backend, sam_precision=precision, **parts)


_PARTS: Mapping[str, Callable[..., Any]] = {
    "sam": SamSettings,
    "segmenter": SegmenterSettings,
    "coco": SegmenterSettings,
    "ade20k": SegmenterSettings,
    "blip": BlipSettings,
    "clip": ClipSettings,
    "clipseg": ClipSegSettings,
    "masks": MaskSettings,
    "images": ImageSettings,
}
