"""The page in a real browser: each tab, a wrong file, a phone's width, the keyboard; no request leaves the machine."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from conftest import SAMPLES

from ecggen.benchmark.reader_study.pack import KEY, pack
from ecggen.benchmark.reader_study.scores import read_key, score
from ecggen.core.simulate import simulate
from ecggen.report.inputs.cohort import ECGSet

pytest.importorskip("nicegui")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (pip install 'ecggen[dev]')"
)

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed (apt-get install chromium)")

PORT = 18080
TABS = ("Reconstruct", "Generate", "Translate", "Report", "Teach", "Reader study")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A reader study of two simulated hearts of each kind."""

    def hearts(seed, source):
        blank, unknown = ("", ""), np.full(2, np.nan)
        return ECGSet(simulate(2, seed=seed), ("a", "b"), ("a", "b"), *[blank] * 2, *[unknown] * 3, source)

    folder = tmp_path_factory.mktemp("reading") / "study"
    pack(hearts(1, "made"), hearts(2, "recorded"), 2, 0).write(folder)
    return folder


@pytest.fixture(scope="module")
def address(study, tmp_path_factory):
    """The page, served by the command; when it is terminated, it leaves no file of a visitor."""
    kept = tmp_path_factory.mktemp("kept")
    words = [sys.executable, "-m", "ecggen", "serve", "--port", str(PORT), "--max-upload", "1", "--study", str(study)]
    # NiceGUI does not serve if it believes that it is tested.
    rest = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "NICEGUI"))}
    rest["TMPDIR"] = str(kept)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=rest)
    yield f"http://127.0.0.1:{PORT}"
    process.terminate()
    process.wait(10)
    assert not list(kept.glob("ecggen-page-*"))


@pytest.fixture
def page(address):
    """A tab of the browser; errors of the console and requests to other machines fail the test."""
    problems = []
    with playwright.sync_playwright() as runner:
        browser = runner.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.set_default_timeout(120_000)  # of a busy computer
        opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("request", lambda request: problems.append(request.url) if leaves(request.url) else None)
        opened.on("websocket", lambda channel: problems.append(channel.url) if leaves(channel.url) else None)
        for attempt in range(240):
            try:
                opened.goto(address + "/?tab=Reconstruct")
                break
            except playwright.Error:
                problems.clear()
                assert attempt < 239, "the page did not start"
                opened.wait_for_timeout(500)
        yield opened
        browser.close()
    assert problems == []


def leaves(url: str) -> bool:
    """Whether a request is to another machine."""
    return urlparse(url).scheme not in ("data", "blob") and urlparse(url).hostname != "127.0.0.1"


def test_a_dropped_file_becomes_twelve_leads_and_a_wrong_file_one_sentence(page, tmp_path):
    wrong = tmp_path / "notes.txt"
    wrong.write_text("These are my notes, not an ECG.")
    page.set_input_files(".q-uploader__input >> nth=0", wrong)
    page.wait_for_selector("text=dropped: notes.txt")
    page.click("text=Reconstruct twelve leads")
    page.wait_for_selector("[role=alert] >> text=notes.txt")
    wrong.write_bytes(bytes(1_200_000))
    page.set_input_files(".q-uploader__input >> nth=0", wrong)
    page.wait_for_selector("[role=alert] >> text=the files are larger than 1 MB")
    page.set_input_files(".q-uploader__input >> nth=0", SAMPLES / "apple_watch_lead_I.csv")
    page.wait_for_selector("text=dropped: apple_watch_lead_I.csv")
    page.click("text=Reconstruct twelve leads")
    page.wait_for_selector(".paper img")
    assert page.locator("text=recorded: I").count() == 1
    # Callipers by keyboard: focus, set, ten millimetres to the right, set.
    page.locator(".paper").first.focus()
    for key in ["Enter", *["ArrowRight"] * 10, "Enter"]:
        page.keyboard.press(key)
    page.wait_for_selector("text=400 ms · 0.00 mV · 150 per minute")
    with page.expect_download() as download:
        page.click("text=Download")
        page.click(".q-item >> text=EDF")
    assert download.value.suggested_filename == "apple_watch_lead_I.edf"


def test_readers_answer_one_ecg_at_a_time_stop_resume_and_are_scored(page, study):
    key = read_key(study / KEY)

    def answer(number, wanted, *, sure=False):
        page.wait_for_selector(f"text=ECG {number} of 4")
        assert page.locator(".reading-page svg").count() == 1
        page.wait_for_timeout(600)  # a second click of a double click is no answer
        if sure:
            page.get_by_role("radio", name="5 (certain)").click()
        page.get_by_role("button", name=wanted.capitalize(), exact=True).click()

    def begin(name):
        page.goto(f"http://127.0.0.1:{PORT}/")
        page.get_by_label("Name or pseudonym").fill(name)
        page.keyboard.press("Enter")

    begin("")
    page.wait_for_selector("[role=alert] >> text=enter a name or a pseudonym")
    begin("Dr. A")
    for number in (1, 2):
        answer(number, key[str(number)], sure=True)
    page.wait_for_selector("text=ECG 3 of 4")
    begin("Dr. B")
    for number in (1, 2, 3, 4):
        answer(number, "real")
    page.wait_for_selector("text=Thank you")
    begin("dr. a")
    for number in (3, 4):
        answer(number, key[str(number)])
    with page.expect_download() as download:
        page.get_by_role("button", name="Download my answers").click()
    sheets = [study / "answers" / "dr_a.csv", study / "answers" / "dr_b.csv"]
    assert Path(download.value.path()).read_bytes() == sheets[0].read_bytes()
    with sheets[0].open() as file:
        rows = list(csv.DictReader(file))
    assert [row["confidence"] for row in rows] == ["5", "5", "3", "3"]
    assert all(0.5 < float(row["seconds"]) < 60 for row in rows)
    found = score(sheets, key)
    assert {name: one["right"] for name, one in found["readers"].items()} == {"Dr. A": 4, "Dr. B": 2}


def test_every_tab_opens_on_a_phone_without_overflow(page):
    page.set_viewport_size({"width": 390, "height": 844})
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(250)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, f"{tab} is {wide} pixels wide"
        assert page.evaluate(NAMELESS) == [], f"in {tab}, a screen reader has no name for these"
        assert low_contrast(page) == []


def test_generate_and_teach(page):
    page.get_by_role("tab", name="Generate").click()
    page.get_by_label("ECGs", exact=True).fill("1")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_selector(".grid svg")
    assert "criterion met" in page.inner_text(".grid") or "criterion not met" in page.inner_text(".grid")
    page.get_by_role("button", name="More like this one").click()
    page.get_by_text("Same heart, other rhythm").click()
    page.wait_for_selector("text=4 like ECG 1: same heart, other rhythm")
    page.wait_for_function("document.querySelectorAll('.grid svg').length >= 5")
    page.get_by_role("tab", name="Teach").click()
    page.get_by_role("button", name="Show").click()
    page.wait_for_selector("text=What does this ECG show?")
    page.locator(".q-radio").first.click()
    page.get_by_role("button", name="Answer").click()
    page.wait_for_selector("text=Criterion of")
    assert low_contrast(page) == []


def test_generate_can_be_cancelled_and_wrong_input_is_one_sentence(page):
    page.get_by_role("tab", name="Generate").click()
    page.get_by_role("button", name="Generate").click()
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_selector("text=cancelled")
    page.get_by_label("Sentence").fill("sinus tachycardia at 900 bpm")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_selector("[role=alert] >> text=heart rate is 900")


def test_a_dropped_ppg_becomes_an_ecg_with_marked_beats(page):
    page.get_by_role("tab", name="Translate").click()
    panel = page.locator(".q-tab-panel", has_text="Translate to an ECG")
    panel.locator(".q-uploader__input").first.set_input_files(SAMPLES / "bidmc" / "bidmc_15_Signals.csv")
    page.wait_for_selector("text=dropped: bidmc_15_Signals.csv")
    page.get_by_role("button", name="Translate to an ECG").click()
    page.wait_for_selector("text=generated: all twelve leads")
    assert "pulses per minute" in panel.inner_text() and "beats." in panel.inner_text()


def test_a_report_is_written_and_shown(page):
    page.get_by_role("tab", name="Report").click()
    panel = page.locator(".q-tab-panel", has_text="Write the report")
    for field in ("Synthetic ECGs", "Real ECGs"):
        panel.get_by_label(f"{field}: folder or file of this computer").fill(str(SAMPLES / "00262_hr.hea"))
    page.get_by_role("button", name="Write the report").click()
    page.wait_for_selector("iframe[title='Quality report']")
    report = page.frame_locator("iframe[title='Quality report']")
    assert "not measured" in report.locator("body").inner_text()


NAMELESS = """() => [...document.querySelectorAll("button, a[href], [role=button], input:not([type=file])")]
  .filter((one) => one.checkVisibility() && one.tabIndex >= 0)
  .filter((one) => !one.textContent.trim() && !one.getAttribute("aria-label") && !(one.labels || []).length)
  .map((one) => one.outerHTML.slice(0, 120))"""


def low_contrast(page) -> list[str]:
    """Texts on the page whose contrast with their background is below 4.5 to 1 (3 to 1 if large)."""
    return page.evaluate(CONTRAST)


CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const c = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
  };
  const background = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    if (!element.checkVisibility() || element.closest("svg, .disabled, [disabled], [aria-disabled=true]")) continue;
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || element.tagName === "I") continue;
    const style = getComputedStyle(element), back = background(element), color = parse(style.color);
    const alpha = color.length === 4 ? color[3] : 1;
    const [a, b] = [light(color.slice(0, 3).map((v, i) => alpha * v + (1 - alpha) * back[i])), light(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)}: ${element.textContent.trim().slice(0, 40)}`);
  }
  return found;
}"""
