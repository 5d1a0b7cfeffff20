"""A strip of colour, name and share of the image for every class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

_BACKGROUND = (24, 26, 31)
_TEXT = (236, 238, 242)
_QUIET = (150, 156, 168)


@dataclass(frozen=True)
class LegendEntry:
    """One class: its colour (RGB), its name, and the share of the image's pixels it has."""

    color: tuple[int, int, int]
    name: str
    share: float


def draw_legend(entries: Sequence[LegendEntry], width: int, font_size: int) -> Image.Image:
    """The strip, `width` pixels wide and as high as its rows; entries in their order.

    Args:
        entries: what to list.
        width: pixels.
        font_size: pixels.
    """
    font = ImageFont.load_default(font_size)
    swatch, gap, margin = font_size, font_size // 2, font_size
    texts = [(entry.name, _percent(entry.share)) for entry in entries]
    widest = max(
        (font.getlength(name) + gap + font.getlength(share) for name, share in texts), default=0
    )
    cell = swatch + gap + int(widest) + 2 * gap
    columns = max((width - margin) // cell, 1)
    row_height = font_size * 8 // 5
    rows = -(-len(entries) // columns)
    strip = Image.new("RGB", (width, rows * row_height + margin), _BACKGROUND)
    pen = ImageDraw.Draw(strip)
    for i, (entry, (name, share)) in enumerate(zip(entries, texts, strict=True)):
        # Down the columns, as a list is read.
        x = margin + (i // rows) * cell
        y = margin // 2 + (i % rows) * row_height + row_height // 2
        box = (x, y - swatch // 2, x + swatch, y - swatch // 2 + swatch)
        pen.rounded_rectangle(box, radius=swatch // 4, fill=entry.color)
        pen.text((x + swatch + gap, y), name, fill=_TEXT, font=font, anchor="lm")
        after_name = x + swatch + 2 * gap + font.getlength(name)
        pen.text((after_name, y), share, fill=_QUIET, font=font, anchor="lm")
    return strip


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "<1%"
