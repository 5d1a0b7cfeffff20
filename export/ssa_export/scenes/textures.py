"""Surface textures: brightness factors around 1, made from a few noise tiles."""

import numpy as np
from PIL import Image

from ssa_export.scenes.canvas import Texture
from ssa_export.scenes.dice import Dice
from ssa_export.scenes.geometry import Camera, Floats, Frame

_TILE = 256
_FULL_HEIGHT = 480
"""Texture sizes are given in pixels of a picture of this height and scale with it."""


class Noise:
    """Repeating tiles of smooth noise at several scales, in -1..1."""

    def __init__(self, dice: Dice, height: int) -> None:
        self._dice = dice
        unit = height / _FULL_HEIGHT
        self._tiles = {size: _tile(dice, size * unit) for size in (1, 3, 10, 40)}

    def pixels(self, size: int) -> Texture:
        """Noise with features of about `size` pixels (1, 3, 10 or 40), shifted at random."""
        tile = self._tiles[size]
        dy, dx = self._dice.whole(0, _TILE - 1), self._dice.whole(0, _TILE - 1)

        def texture(ys: Floats, xs: Floats) -> Floats:
            rows = (ys[:, 0].astype(np.int32) + dy) % _TILE
            columns = (xs[0].astype(np.int32) + dx) % _TILE
            sampled: Floats = tile[rows][:, columns]
            return sampled

        return texture

    def mottled(self, *amounts: tuple[int, float]) -> Texture:
        """1 plus noise of each (size, amount)."""
        layers = [(self.pixels(size), amount) for size, amount in amounts]

        def texture(ys: Floats, xs: Floats) -> Floats:
            total = np.float32(1.0) + layers[0][0](ys, xs) * np.float32(layers[0][1])
            for layer, amount in layers[1:]:
                total += layer(ys, xs) * np.float32(amount)
            return total

        return texture


def _tile(dice: Dice, cell_px: float) -> Floats:
    cells = max(4, min(_TILE, round(_TILE / max(cell_px, 1.0))))
    grid = dice.field((cells, cells)) * 2 - 1
    if cells == _TILE:
        return grid
    # Pad with wrapped cells so that the tile repeats without a seam.
    padded = np.pad(grid, 2, mode="wrap")
    size = round(_TILE * (cells + 4) / cells)
    smooth = np.asarray(Image.fromarray(padded).resize((size, size), Image.Resampling.BICUBIC))
    start = (size - _TILE) // 2
    return np.ascontiguousarray(smooth[start : start + _TILE, start : start + _TILE])


def times(*textures: Texture) -> Texture:
    """The product of several textures."""

    def texture(ys: Floats, xs: Floats) -> Floats:
        total = textures[0](ys, xs)
        for other in textures[1:]:
            total = total * other(ys, xs)
        return total

    return texture


def _visible(px_per_m: Floats | float, pattern_m: float) -> Floats:
    """0..1: patterns finer than a few pixels fade out instead of flickering."""
    px = np.asarray(px_per_m, dtype=np.float32) * pattern_m
    return np.clip((px - 2.0) / 3.0, 0.0, 1.0)


def _line(position: Floats, period: float, width: float) -> Floats:
    """1 on lines of `width` that repeat every `period`, else 0."""
    return (np.mod(position, period) < width).astype(np.float32)


def bricks(frame: Frame, contrast: float, height_m: float = 0.25) -> Texture:
    """Courses of bricks on an upright surface, larger than life to be seen."""

    def texture(ys: Floats, xs: Floats) -> Floats:
        u, v = frame.coordinates(ys, xs)
        course = np.floor(v / height_m)
        joints = np.maximum(
            _line(v, height_m, 0.2 * height_m),
            _line(u + course * height_m * 1.2, 2.4 * height_m, 0.2 * height_m),
        )
        brick = np.floor((u + course * height_m * 1.2) / (2.4 * height_m))
        tone = np.mod(course * 7.0 + brick * 3.0, 5.0) / 5
        z = np.maximum(frame.z + u * frame.forward_xz[1], 0.5)
        seen = _visible(frame.camera.focal_px / z, height_m)
        wall: Floats = 1 + seen * contrast * (joints * 1.2 + (tone - 0.5) * 0.7 - 0.2)
        return wall

    return texture


def stripes(frame: Frame, period_m: float, contrast: float, *, upright: bool) -> Texture:
    """Dark joints between planks or panels, upright or lying."""

    def texture(ys: Floats, xs: Floats) -> Floats:
        u, v = frame.coordinates(ys, xs)
        z = np.maximum(frame.z + u * frame.forward_xz[1], 0.5)
        seen = _visible(frame.camera.focal_px / z, period_m)
        joints = _line(u if upright else v, period_m, 0.18 * period_m)
        return 1 - seen * contrast * joints + np.zeros_like(v)

    return texture


def slabs(camera: Camera, size_m: float, contrast: float) -> Texture:
    """Paving slabs on the ground."""

    def texture(ys: Floats, xs: Floats) -> Floats:
        x, z = camera.ground_coordinates(ys, xs)
        along = _line(x, size_m, 0.1 * size_m) * _visible(camera.focal_px / z, 0.5 * size_m)
        rows_px = camera.focal_px * camera.height_m / (z * z)
        over = _line(z, size_m, 0.1 * size_m) * _visible(rows_px, 0.5 * size_m)
        return 1 - contrast * np.maximum(along, over)

    return texture
