"""Plots of ECGs: scale, layout, marking of generated leads, display filter, text, files and errors."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from ecggen.core.ecg import ECG, LEAD_MATRIX, STANDARD_LEADS, Provenance
from ecggen.core.errors import InputError
from ecggen.viz import draw, save
from ecggen.viz.ecg import abbreviated, arrange, displayed, spread
from ecggen.viz.paper import EYE, GENERATED, INK, MM_PER_INCH, _with_palette, fitted, text_width, thinned

LIMB_ONLY = ("I", "II", "III", "aVR", "aVL", "aVF")


def synthetic(seconds: float = 10, fs: float = 250, noise: float = 0.01) -> ECG:
    """Twelve leads that obey the lead laws, with two Gaussian waves every 0.8 s."""
    time = np.arange(round(seconds * fs)) / fs
    since = (time + 0.4) % 0.8
    beat = np.exp(-0.5 * ((since - 0.3) / 0.01) ** 2) + 0.3 * np.exp(-0.5 * ((since - 0.6) / 0.04) ** 2)
    size = np.array([0.6, 1.1, -0.8, -1.2, -0.7, 0.9, 1.3, 1.0])
    eight = size[:, None] * beat + noise * np.random.default_rng(0).normal(size=(8, len(time)))
    return ECG(torch.tensor(LEAD_MATRIX @ eight), STANDARD_LEADS, fs)


def reconstruction(
    recorded: tuple[str, ...] = ("I",), generated: tuple[str, ...] = STANDARD_LEADS[1:], fs: float = 250
) -> ECG:
    return replace(synthetic(fs=fs), provenance=Provenance(recorded, generated, "vae@12ab", 7, "lead I"))


def artists(figure: Figure, gid: str) -> list:
    """The artists whose gid matches the pattern ``gid`` completely."""
    return figure.findobj(lambda artist: bool(re.fullmatch(gid, artist.get_gid() or "")))


def in_mm(figure: Figure, gid: str) -> np.ndarray:
    """The points of the line ``gid`` in mm, from the lower left corner of the page."""
    (line,) = artists(figure, gid)
    points = line.get_transform().transform(line.get_xydata()) / figure.dpi * MM_PER_INCH
    return points[np.isfinite(points).all(1)]


def text_of(figure: Figure, gid: str) -> str:
    return " ".join(text.get_text() for text in artists(figure, gid))


# Scale


@pytest.mark.parametrize(("speed", "gain"), [(25, 10), (50, 20), (12.5, 5)])
def test_speed_and_gain_give_the_scale_in_mm(speed, gain):
    fs, wave = 250.0, np.zeros((1, 2500))
    wave[0, 250], wave[0, 2250] = 1.0, -0.5  # spikes at 1 s and 9 s
    figure = draw(ECG(torch.tensor(wave), ("II",), fs), speed=speed, gain=gain, display_filter=None)
    trace = in_mm(figure, "lead-II")
    peak, trough = trace[trace[:, 1].argmax()], trace[trace[:, 1].argmin()]
    assert trough[0] - peak[0] == pytest.approx(8 * speed, abs=1e-6)
    assert peak[1] - trough[1] == pytest.approx(1.5 * gain, abs=1e-6)


def test_page_is_a4_with_a_grid_of_1_mm():
    figure = draw(synthetic())
    assert np.array(figure.get_size_inches()) * MM_PER_INCH == pytest.approx([297, 210])
    (fine,), (coarse,) = artists(figure, "grid-fine"), artists(figure, "grid-coarse")
    ends = np.concatenate([grid.get_transform().transform(grid.get_path().vertices) for grid in (fine, coarse)])
    upright = np.unique((ends / figure.dpi * MM_PER_INCH)[:, 0].round(6))
    assert np.diff(upright) == pytest.approx(np.ones(270))
    assert np.diff(np.unique(coarse.get_path().vertices[:, 0])) == pytest.approx(np.full(54, 5))


@pytest.mark.parametrize(("speed", "gain"), [(25, 10), (50, 5)])
def test_each_row_has_a_calibration_pulse_of_1_mv_and_200_ms(speed, gain):
    figure = draw(synthetic(), speed=speed, gain=gain)
    for row in range(1, 5):
        pulse = in_mm(figure, f"pulse-{row}")
        rise = pulse[:, 1] - pulse[0, 1]
        assert rise == pytest.approx([0, 0, gain, gain, 0, 0])
        assert np.diff(pulse[[1, 2, 3, 4], 0]) == pytest.approx([0, 0.2 * speed, 0])
        assert pulse[-1, 0] < in_mm(figure, "lead-I")[0, 0]


def test_pulse_and_trace_share_the_baseline():
    figure = draw(ECG(torch.zeros(1, 5000), ("I",), 500))
    assert in_mm(figure, "lead-I")[:, 1] == pytest.approx(in_mm(figure, "pulse-1")[0, 1])


def test_traces_are_simplified_within_the_tolerance():
    ecg = synthetic(fs=500, noise=0.002)
    figure = draw(ecg, layout="12x1", display_filter=None)
    for lead in ("II", "V3"):
        points = in_mm(figure, f"lead-{lead}")
        baseline = in_mm(figure, f"pulse-{STANDARD_LEADS.index(lead) + 1}")[0, 1]
        x = points[0, 0] + np.arange(ecg.samples) / ecg.fs * 25
        off = np.interp(x, *points.T) - baseline - 10 * ecg.pick(lead).signal[0, 0].numpy()
        assert np.abs(off).max() < EYE + 1e-4
        assert len(points) < ecg.samples / 4


def test_simplification_keeps_ends_and_corners_only():
    x = np.arange(101.0)
    y = np.where(x < 40, x, 80 - x)
    assert thinned(x, y).tolist() == [[0, 0], [40, 40], [100, -20]]


# Layout


def test_3x4_shows_successive_columns():
    strips = {strip.name: strip for strip in arrange(STANDARD_LEADS, "3x4", 10.0) if not strip.rhythm}
    assert [(strips[lead].row, strips[lead].at, strips[lead].start) for lead in ("I", "aVL", "V3", "V6")] == [
        (0, 0.0, 0.0),
        (1, 2.5, 2.5),
        (2, 5.0, 5.0),
        (2, 7.5, 7.5),
    ]
    rhythm = arrange(STANDARD_LEADS, "3x4", 10.0)[-1]
    assert (rhythm.rhythm, rhythm.lead, rhythm.row, rhythm.seconds) == (True, "II", 3, 10.0)


def test_column_shows_its_own_seconds():
    ramp = np.linspace(0, 1, 5000) * np.ones((12, 1))
    figure = draw(ECG(torch.tensor(ramp), STANDARD_LEADS, 500), display_filter=None)
    rhythm, last = in_mm(figure, "lead-rhythm-II"), in_mm(figure, "lead-V6")
    assert last[0, 0] - rhythm[0, 0] == pytest.approx(187.5)
    assert last[0, 1] - in_mm(figure, "pulse-3")[0, 1] == pytest.approx(7.5, abs=0.01)


def test_12x1_has_twelve_rows_of_ten_seconds():
    figure = draw(synthetic(), layout="12x1")
    assert len(artists(figure, r"pulse-\d+")) == 12
    assert not artists(figure, "lead-rhythm.*")
    spans = [np.ptp(in_mm(figure, f"lead-{lead}")[:, 0]) for lead in STANDARD_LEADS]
    assert spans == pytest.approx([249.9] * 12)
    heights = [in_mm(figure, f"pulse-{row}")[0, 1] for row in range(1, 13)]
    assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize("leads", [("V1",), ("I", "II", "V2")])
def test_up_to_three_leads_are_drawn_as_rows(leads):
    figure = draw(synthetic().pick(*leads))
    assert len(artists(figure, r"pulse-\d+")) == len(artists(figure, "lead-.*")) == len(leads)
    assert np.ptp(in_mm(figure, f"lead-{leads[0]}")[:, 0]) == pytest.approx(249.9)
    assert figure.get_size_inches()[1] < 210 / MM_PER_INCH


def test_columns_without_leads_are_omitted():
    strips = arrange(LIMB_ONLY, "3x4", 10.0)
    assert [strip.at for strip in strips] == [0, 0, 0, 5, 5, 5, 0]


def test_without_lead_ii_the_first_lead_is_the_rhythm_strip():
    assert arrange(("V4", "V1", "V2", "V3"), "3x4", 10.0)[-1].lead == "V4"


@pytest.mark.parametrize("seconds", [2.0, 4.0, 7.2])
def test_short_recording_shows_every_lead_from_its_start(seconds):
    figure = draw(synthetic(seconds))
    assert "columns show the same seconds" in text_of(figure, "settings")
    for lead in ("I", "V6"):
        assert np.ptp(in_mm(figure, f"lead-{lead}")[:, 0]) == pytest.approx(25 * min(2.5, seconds), abs=0.11)
    assert np.ptp(in_mm(figure, "lead-rhythm-II")[:, 0]) == pytest.approx(25 * seconds, abs=0.11)
    assert "columns" not in text_of(draw(synthetic(10)), "settings")


def test_segment_starts_at_start_of_the_requested_record():
    wave = np.zeros((2, 1, 3000))
    wave[1, 0, 1300] = 2.0  # at 13 s
    figure = draw(ECG(torch.tensor(wave), ("I",), 100), start=12, record=1, display_filter=None)
    trace = in_mm(figure, "lead-I")
    assert trace[trace[:, 1].argmax(), 0] - trace[0, 0] == pytest.approx(25)
    assert np.ptp(in_mm(draw(ECG(torch.tensor(wave), ("I",), 100), start=12), "lead-I")[:, 1]) == 0
    assert "12.0–22.0 s" in text_of(figure, "settings")


def test_cabrera_orders_the_limb_leads_and_inverts_avr():
    names = [strip.name for strip in arrange(STANDARD_LEADS, "12x1", 10.0, cabrera=True)]
    assert names == ["aVL", "I", "−aVR", "II", "aVF", "III", "V1", "V2", "V3", "V4", "V5", "V6"]
    usual, turned = draw(synthetic(), layout="12x1"), draw(synthetic(), layout="12x1", cabrera=True)
    up = in_mm(usual, "lead-aVR")[:, 1] - in_mm(usual, "pulse-4")[0, 1]
    down = in_mm(turned, "lead-aVR")[:, 1] - in_mm(turned, "pulse-3")[0, 1]
    assert down == pytest.approx(-up)
    assert abs(up.min()) > 5 * up.max()
    assert text_of(turned, "name-−aVR") == "−aVR"


def test_rows_are_equally_spaced_unless_waves_overlap():
    assert spread(np.array([10.0, 20, 15]), 25).tolist() == [25, 25, 25]
    assert spread(np.array([14.0, 33, 14]), 25).tolist() == [21, 33, 21]
    crowded = spread(np.full(4, 60.0), 25)
    assert crowded.tolist() == [25] * 4
    artifact = spread(np.array([10.0, 10, 10, 10, 500]), 25)
    assert artifact.tolist() == [18, 18, 18, 18, 50]


def test_large_waves_stay_within_their_row_and_the_page():
    big = replace(synthetic(), signal=synthetic().signal * torch.tensor([1.0] * 7 + [4, 1, 1, 1, 3])[:, None])
    figure = draw(big, layout="12x1", display_filter=None)
    lowest = {lead: in_mm(figure, f"lead-{lead}")[:, 1].min() for lead in STANDARD_LEADS}
    highest = {lead: in_mm(figure, f"lead-{lead}")[:, 1].max() for lead in STANDARD_LEADS}
    for above, below in pairwise(STANDARD_LEADS):
        assert lowest[above] > highest[below]
    (box,) = (axes.get_window_extent() for axes in figure.axes)
    assert lowest["V6"] > box.y0 / figure.dpi * MM_PER_INCH


# Recorded, derived and generated leads


def colors(figure: Figure) -> dict[str, str]:
    return {line.get_gid(): to_hex(line.get_color()) for line in artists(figure, "lead-.*")}


def test_recorded_and_generated_leads_differ_in_colour():
    found = colors(draw(reconstruction()))
    assert found.pop("lead-I") == INK
    assert len(found) == 12
    assert set(found.values()) == {GENERATED}


def test_all_leads_of_a_recording_are_black():
    assert set(colors(draw(synthetic())).values()) == {INK}


def test_derived_leads_are_black_and_named_in_the_legend():
    figure = draw(reconstruction(("I", "II"), STANDARD_LEADS[6:]))
    assert {gid for gid, color in colors(figure).items() if color == INK} == {
        *(f"lead-{lead}" for lead in LIMB_ONLY),
        "lead-rhythm-II",
    }
    assert text_of(figure, "legend") == "recorded: I, II derived exactly: III, aVR, aVL, aVF generated: V1–V6"


def test_colours_differ_in_greyscale():
    def grey(color: str) -> float:
        return float(np.dot([int(color[i : i + 2], 16) for i in (1, 3, 5)], [0.299, 0.587, 0.114]))

    assert grey(GENERATED) - grey(INK) > 50
    assert 235 - grey(GENERATED) > 100


def test_names_of_generated_leads_are_in_italics():
    figure = draw(reconstruction())
    assert [artists(figure, f"name-{lead}")[0].get_style() for lead in ("I", "V1")] == ["normal", "italic"]


def test_lead_name_moves_up_for_a_wave():
    low, high = np.zeros((1, 2500)), np.zeros((1, 2500))
    high[0, 40:50] = 1.1  # 4 mm after the beginning, 11 mm high
    flat, tall = (draw(ECG(torch.tensor(wave), ("II",), 250), display_filter=None) for wave in (low, high))
    above = [artists(page, "name-II")[0].get_position()[1] for page in (flat, tall)]
    assert above[1] - above[0] == pytest.approx(3)


def test_synthetic_mark_appears_only_with_generated_leads():
    figure = draw(reconstruction())
    assert text_of(figure, "stamp-word") == "S Y N T H E T I C"
    assert text_of(figure, "stamp-words") == "11 of 12 leads generated — not for diagnosis"
    assert len(artists(figure, "watermark")) >= 4
    everything = draw(reconstruction((), STANDARD_LEADS))
    assert text_of(everything, "stamp-words") == "all leads generated — not for diagnosis"
    for plain in (synthetic(), replace(synthetic(), provenance=Provenance(STANDARD_LEADS))):
        assert not artists(draw(plain), "stamp.*|watermark|legend.*")


def test_settings_state_scale_filter_rate_model_and_seed():
    figure = draw(reconstruction(), caption="a caption")
    assert text_of(figure, "settings") == (
        "25 mm/s · 10 mm/mV · display filter 0.5–40 Hz · 250 Hz · 0.0–10.0 s · model vae@12ab · seed 7"
    )
    assert text_of(figure, "caption") == "a caption"
    assert "no filter" in text_of(draw(synthetic(), display_filter=None), "settings")
    assert "display filter from 0.5 Hz" in text_of(draw(synthetic(fs=60)), "settings")


def test_interval_surrounds_the_filtered_signal():
    ecg = reconstruction()
    width = torch.zeros(12, 1)
    width[6:] = 0.2
    offset = 0.8  # the filter removes it from the signal, so that the interval must be shifted with the signal
    ecg = replace(ecg, signal=ecg.signal + offset)
    low, high = replace(ecg, signal=ecg.signal - width), replace(ecg, signal=ecg.signal + 2 * width)
    figure = draw(ecg, lower=low, upper=high, level=0.9, layout="12x1")
    assert {band.get_gid() for band in artists(figure, "band-.*")} == {f"band-V{i}" for i in range(1, 7)}
    (band,), trace = artists(figure, "band-V2"), in_mm(figure, "lead-V2")
    assert to_hex(band.get_facecolor()) == GENERATED
    assert 0.1 < band.get_alpha() < 0.5
    ring = band.get_transform().transform(band.get_path().vertices) / figure.dpi * MM_PER_INCH
    assert ring[:, 1].max() == pytest.approx(trace[:, 1].max() + 4, abs=0.3)
    assert ring[:, 1].min() == pytest.approx(trace[:, 1].min() - 2, abs=0.3)
    x, y = ring.T
    area = abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2
    assert area == pytest.approx(6 * np.ptp(trace[:, 0]), rel=0.02)
    assert "generated: II, III, aVR, aVL, aVF, V1–V6, with 90 % prediction interval" in text_of(figure, "legend")
    assert not artists(draw(ecg), "band-.*")


def test_inverted_lead_keeps_its_interval():
    ecg = reconstruction()
    low, high = replace(ecg, signal=ecg.signal - 0.1), replace(ecg, signal=ecg.signal + 0.1)
    assert artists(draw(ecg, lower=low, upper=high, cabrera=True), "band-aVR")


def test_consecutive_lead_names_are_abbreviated():
    assert abbreviated(("V6", "V1", "V2", "V3", "aVL", "I")) == "I, aVL, V1–V3, V6"
    assert abbreviated(("V1", "V2")) == "V1, V2"


# Display filter


def test_display_filter_removes_wander_and_hum_without_delay():
    time = np.arange(5000) / 500
    middle = slice(1000, 4000)
    wave = np.sin(2 * np.pi * 5 * time)
    wander, hum = 2 * np.sin(2 * np.pi * 0.05 * time), 0.3 * np.sin(2 * np.pi * 150 * time)
    shown = displayed((wave + wander + hum)[None], 500, (0.5, 40))[0]
    assert np.abs(shown - wave)[middle].max() < 0.06
    assert displayed(wave[None], 500, None)[0] is not None
    assert np.array_equal(displayed(wave[None], 500, None)[0], wave)
    assert np.array_equal(displayed(wave[None], 500, (0, 250))[0], wave)


def test_recording_that_starts_on_an_r_wave_keeps_its_baseline():
    wave = np.zeros((1, 2500))
    wave[0, :10] = np.linspace(1.5, 0, 10)
    assert np.abs(displayed(wave, 250, (0.5, 40)))[0, 25:].max() < 0.15


def test_low_pass_is_omitted_above_half_the_rate():
    wave = np.sin(2 * np.pi * 20 * np.arange(800) / 80)[None]
    assert np.abs(displayed(wave, 80, (0.5, 40)) - wave)[0, 160:-160].max() < 0.01


def test_gaps_are_kept():
    wave = synthetic().signal[0].numpy().astype(float)
    wave[1, 1000:1250] = np.nan
    shown = displayed(wave, 250, (0.5, 40))
    assert np.array_equal(np.isnan(shown), np.isnan(wave))
    figure = draw(ECG(torch.tensor(wave), STANDARD_LEADS, 250))
    (line,) = artists(figure, "lead-rhythm-II")
    assert np.isnan(line.get_ydata()[1:-1]).sum() == 1
    nothing = draw(ECG(torch.full((1, 1000), torch.nan), ("I",), 100))
    assert len(in_mm(nothing, "lead-I")) == 0


# Text


def test_title_is_plain_text(tmp_path):
    title = r"$p<0.05$ & <b>\frac{1}{2}</b> -- 100 % _x^2"
    figure = draw(synthetic(), title=title, caption=title)
    assert text_of(figure, "title") == text_of(figure, "caption") == title
    assert not any(text.get_parse_math() or text.get_usetex() for text in artists(figure, "title|caption"))
    for ending in ("png", "svg", "pdf"):
        save(draw(synthetic().pick("I"), title=title), tmp_path / f"page.{ending}")
    ElementTree.parse(tmp_path / "page.svg")


def test_control_characters_do_not_break_an_svg(tmp_path):
    figure = draw(synthetic(), title="one\x00two\nthree\x1b")
    assert text_of(figure, "title") == "one two three"
    ElementTree.parse(save(figure, tmp_path / "page.svg"))


@pytest.mark.parametrize("text", ["sinus rhythm " * 60, "WWWWWWW MMMMMM " * 40, "x" * 900])
def test_long_text_is_cut_to_the_width(text):
    lines = fitted(text, 12, 200, lines=2, bold=True)
    assert len(lines) == 2 or "x" in text
    assert all(text_width(line, 12, bold=True) <= 200 for line in lines)
    assert text_width(lines[0], 12, bold=True) > 150
    figure = draw(reconstruction(), title=text)
    figure.canvas.draw()
    (frame, _), titles = artists(figure, "stamp"), artists(figure, "title")
    assert max(title.get_window_extent().x1 for title in titles) < frame.get_window_extent().x0


# Files


def test_files_are_small_and_drawing_is_fast(tmp_path):
    ecg = reconstruction(fs=500)
    half_width = 0.1 + 0.3 * ecg.signal.abs()
    bounds = {
        "lower": replace(ecg, signal=ecg.signal - half_width),
        "upper": replace(ecg, signal=ecg.signal + half_width),
    }
    draw(ecg)  # the first one imports matplotlib
    began = time.process_time()
    figure = draw(ecg, **bounds, title="A title")
    png = save(figure, tmp_path / "page.png")
    assert time.process_time() - began < 1.5
    svg = save(figure, tmp_path / "page.svg")
    assert png.stat().st_size < 600_000
    assert svg.stat().st_size < 400_000


def test_bitmap_has_six_dots_per_mm_and_the_provenance(tmp_path):
    with Image.open(save(draw(reconstruction()), tmp_path / "page.png")) as image:
        assert image.size == (297 * 6, 210 * 6)
        assert image.info["dpi"] == pytest.approx((152.4, 152.4), abs=0.05)
        assert "contains SYNTHETIC leads" in image.info["Description"]
        assert "ecggen-seed: 7" in image.info["Description"]
        dots = np.asarray(image.convert("RGB")).astype(int)
    blueness = dots[..., 2] - dots[..., 0]
    assert (blueness > 100).sum() > 2000  # the generated colour survives the reduction to 256 colours


def test_bitmap_has_the_colours_of_the_page(tmp_path):
    figure = draw(synthetic())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    bitmap = Image.open(save(figure, tmp_path / "page.png"))
    error = np.abs(np.asarray(bitmap.convert("RGB")).astype(int) - page).max(-1)
    assert bitmap.mode == "P" and error.mean() < 0.05 and (error > 8).mean() < 1e-3


def test_picture_of_very_many_colours_gets_a_palette():
    dots = np.random.default_rng(0).integers(0, 256, (300, 300, 4), np.uint8)
    dots[..., 3] = 255
    assert _with_palette(dots).mode == "P"


def test_vector_files_are_reproducible_and_hold_the_provenance(tmp_path):
    for ending in ("svg", "pdf"):
        places = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
        first, second = (save(draw(reconstruction().pick("I", "V1")), place).read_bytes() for place in places)
        assert first == second
        assert b"contains SYNTHETIC leads" in first
    assert b"SYNTHETIC" not in save(draw(synthetic()), tmp_path / "plain.svg").read_bytes()


def test_svg_has_true_scale(tmp_path):
    ecg = ECG(torch.zeros(1, 1000), ("I",), 100)
    root = ElementTree.parse(save(draw(ecg), tmp_path / "page.svg")).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert float(root.attrib["width"].removesuffix("pt")) * MM_PER_INCH / 72 == pytest.approx(297)
    (pulse,) = (group for group in root.iter(f"{space}g") if group.get("id") == "pulse-1")
    path = pulse.find(f"{space}path")
    assert path is not None
    assert not re.search(r"\.\d{3}", path.attrib["d"])  # a hundredth of a point is enough
    points = np.array(re.findall(r"([\d.]+) ([\d.]+)", path.attrib["d"]), float) * MM_PER_INCH / 72
    assert np.ptp(points, axis=0) == pytest.approx([9, 10], abs=0.01)


@pytest.mark.parametrize("name", ["page.jpg", "page", "page.svg.txt"])
def test_unknown_suffix_raises(tmp_path, name):
    with pytest.raises(InputError, match=r"one of \.png, \.svg, \.pdf was expected"):
        save(draw(synthetic().pick("I")), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_file_is_overwritten_only_on_request(tmp_path):
    place = tmp_path / "page.png"
    place.write_text("old")
    figure = draw(synthetic().pick("I"))
    with pytest.raises(InputError, match="exists; choose another name"):
        save(figure, place)
    assert place.read_text() == "old"
    assert save(figure, place, overwrite=True).read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["page.png"]


def test_missing_folder_raises(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        save(draw(synthetic().pick("I")), tmp_path / "nowhere" / "page.png")


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_failed_save_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch, ending):
    place = tmp_path / f"page.{ending}"
    place.write_text("old")

    def full(*args, **kwargs):
        Path(next(arg for arg in args if isinstance(arg, Path))).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(Figure, "savefig", full)
    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="no space"):
        save(draw(synthetic().pick("I")), place, overwrite=True)
    assert place.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == [place.name]


# Errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": 10}, "the segment to draw starts at 10 s; the recording lasts 10.000 s; choose a start"),
        ({"start": -1}, "starts at -1 s"),
        ({"start": float("nan")}, "starts at nan s"),
        ({"layout": "6x2"}, "the layout is '6x2'; one of 3x4, 12x1 was expected"),
        ({"speed": 0}, "the speed is 0 mm/s; more than 0"),
        ({"speed": 1e9}, "at most 200 mm/s was expected"),
        ({"gain": -10}, "the gain is -10 mm/mV; more than 0"),
        ({"record": 1}, "there is no record 1; the batch has 1, counted from 0"),
        ({"record": -1}, "there is no record -1"),
        ({"display_filter": (40, 0.5)}, "the display filter is 40–0.5 Hz; two rising cutoffs"),
        ({"display_filter": (300, 400)}, "below half the sampling rate"),
        ({"level": 90}, "level of the prediction interval is 90; a number between 0 and 1"),
        ({"lower": synthetic()}, "one bound of the prediction interval was given; both were expected"),
        (
            {"lower": synthetic(), "upper": synthetic().crop(0, 5)},
            "the upper bound of the prediction interval has 1 × 1250 samples",
        ),
        (
            {"lower": synthetic().pick("I"), "upper": synthetic()},
            "the lower bound of the prediction interval has 1 × 2500 samples of I at 250 Hz",
        ),
        ({"lower": synthetic(), "upper": synthetic(fs=500)}, "at 500 Hz; 1 × 2500"),
    ],
)
def test_errors_state_what_was_found_and_what_was_expected(options, message):
    with pytest.raises(InputError) as caught:
        draw(synthetic(), **options)
    assert message in str(caught.value)
