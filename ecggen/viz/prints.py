"""Pictures of printed ECGs for data sets: a page of ``draw``, clean or with random but realistic paper and print.

The settings of a picture depend on a seed and an index only. A page keeps its SYNTHETIC mark.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.viz.ecg import draw

STYLES = ("clean", "random")
"""Clean pages at 6 dots/mm, or random ones."""
TINTS = ((255, 253, 248), (255, 246, 225), (240, 246, 250), (246, 250, 240), (255, 255, 255))
"""Colours of the paper: standard, yellowed, cold, greenish, white."""


@dataclass(frozen=True)
class PrintSettings:
    """How a page is printed and scanned.

    Attributes:
        layout: "3x4" or "12x1".
        cabrera: Whether the limb leads are in Cabrera's order.
        speed: Paper speed in mm/s.
        gain: Height of 1 mV in mm.
        filtered: Whether the display filter of 0.5–40 Hz is applied.
        dots_per_mm: Resolution of the picture.
        tint: Colour of the paper, red, green and blue from 0 to 255.
        rotation: Rotation in degrees, counter-clockwise.
        shade: Loss of brightness at the darker edge of the page, 0 to 1.
        shade_angle: Direction of the darker edge in degrees.
        blur: Standard deviation of the blur in dots.
        noise: Standard deviation of the noise in grey levels of 255.
        contrast: Factor of the contrast.
    """

    layout: str = "3x4"
    cabrera: bool = False
    speed: float = 25.0
    gain: float = 10.0
    filtered: bool = True
    dots_per_mm: float = 6.0
    tint: tuple[int, int, int] = TINTS[0]
    rotation: float = 0.0
    shade: float = 0.0
    shade_angle: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    contrast: float = 1.0

    @staticmethod
    def of(style: str, seed: int, index: int) -> PrintSettings:
        """Settings of one picture.

        Args:
            style: One of ``STYLES``.
            seed: Seed of the data set.
            index: Number of the record in it.

        Raises:
            InputError: If there is no such style.

        Example:
            >>> PrintSettings.of("clean", 0, 0) == PrintSettings()
            True
            >>> PrintSettings.of("random", 0, 1) == PrintSettings.of("random", 0, 1)
            True
        """
        if style not in STYLES:
            raise InputError(f"the style of images is {style!r}", f"one of {', '.join(STYLES)} was expected")
        if style == "clean":
            return PrintSettings()
        rng = np.random.default_rng([seed, index, 8])
        return PrintSettings(
            layout=str(rng.choice(["3x4", "12x1"], p=[0.75, 0.25])),
            cabrera=bool(rng.random() < 0.1),
            speed=float(rng.choice([25.0, 50.0], p=[0.9, 0.1])),
            gain=float(rng.choice([5.0, 10.0, 20.0], p=[0.1, 0.85, 0.05])),
            filtered=bool(rng.random() < 0.7),
            dots_per_mm=float(rng.choice([4.0, 6.0], p=[0.6, 0.4])),
            tint=TINTS[rng.integers(len(TINTS))],
            rotation=round(float(np.clip(rng.normal(0, 0.6), -2, 2)), 2),
            shade=round(float(rng.uniform(0, 0.15)), 2),
            shade_angle=round(float(rng.uniform(0, 360)), 1),
            blur=round(float(rng.uniform(0, 0.9)), 2),
            noise=round(float(rng.uniform(0, 2.5)), 1),
            contrast=round(float(rng.uniform(0.8, 1.05)), 2),
        )

    def as_dict(self) -> dict[str, Any]:
        """The settings for JSON."""
        return asdict(self)


def printed(ecg: ECG, settings: PrintSettings, seed: int = 0, title: str = "", caption: str = "") -> bytes:
    """A picture of one record as PNG.

    Args:
        ecg: One record.
        settings: How it is printed.
        seed: Seed of the noise.
        title: As in ``draw``.
        caption: As in ``draw``.

    Raises:
        InputError: If the record cannot be drawn.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> printed(simulate(1), PrintSettings(dots_per_mm=2.0))[1:4]
        b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image, PngImagePlugin

    figure = draw(
        ecg,
        layout=settings.layout,
        cabrera=settings.cabrera,
        speed=settings.speed,
        gain=settings.gain,
        display_filter=(0.5, 40.0) if settings.filtered else None,
        title=title,
        caption=caption,
    )
    figure.set_dpi(settings.dots_per_mm * 25.4)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = _scanned(np.asarray(canvas.buffer_rgba())[..., :3], settings, np.random.default_rng([seed, 9]))
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Software", "ecggen")
    notes.add_itxt("Description", str(figure.get_label()))
    out = io.BytesIO()
    # Fewer colours make a noisy page smaller; below 128, shades become steps.
    dots = Image.fromarray(picture).quantize(128, dither=Image.Dither.NONE)
    dots.save(out, "PNG", dpi=(figure.dpi, figure.dpi), pnginfo=notes)
    return out.getvalue()


def _scanned(picture: np.ndarray, settings: PrintSettings, rng: np.random.Generator) -> np.ndarray:
    """A clean page (y, x, 3) with the paper, the light and the errors of a scanner."""
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    if settings == PrintSettings(**{name: getattr(settings, name) for name in PAGE}):
        return picture
    paper = np.array(settings.tint, float)
    tinted = picture * (paper / np.array(TINTS[0], float))
    if settings.rotation:
        page = Image.fromarray(np.clip(tinted, 0, 255).astype(np.uint8))
        turned = page.rotate(settings.rotation, Image.Resampling.BICUBIC, fillcolor=settings.tint)
        tinted = np.asarray(turned, float)
    if settings.blur:
        tinted = gaussian_filter(tinted, (settings.blur, settings.blur, 0))
    tinted = 255 + settings.contrast * (tinted - 255)
    height, width = tinted.shape[:2]
    angle = np.deg2rad(settings.shade_angle)
    across, down = np.meshgrid(np.linspace(-0.5, 0.5, width), np.linspace(-0.5, 0.5, height))
    light = 1 - settings.shade * (0.5 + (np.cos(angle) * across + np.sin(angle) * down) / np.sqrt(2))
    noise = settings.noise * rng.standard_normal((height, width, 1))  # the same in all three colours
    return np.clip(tinted * light[..., None] + noise, 0, 255).astype(np.uint8)


PAGE = ("layout", "cabrera", "speed", "gain", "filtered", "dots_per_mm")
"""Settings of the page itself, without those of paper and scanner."""
