"""Screenshots of the page for the docs: ``python -m evaluation.scripts.page_screenshots``.

Serves the page, drives the Chromium of the distribution, and writes page_*.png with 96 colours.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from PIL import Image

FIGURES = Path(__file__).parents[2] / "docs" / "figures"
PORT = 18081
WIDTH, HEIGHT = 1280, 860


def main() -> None:
    """Write the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FIGURES, help="folder of the pictures (docs/figures)")
    parser.add_argument("--port", type=int, default=PORT, help=f"port of the page while it is driven ({PORT})")
    options = parser.parse_args()
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        raise SystemExit("no Chromium is installed; install it, as with apt-get install chromium")
    options.out.mkdir(parents=True, exist_ok=True)
    server = subprocess.Popen([sys.executable, "-m", "ecggen", "serve", "--port", str(options.port)])
    try:
        take(f"http://127.0.0.1:{options.port}", browser_path, options.out)
    finally:
        server.terminate()


def take(address: str, browser_path: str, out: Path) -> None:
    """Drive the page at ``address`` and write its pictures to ``out``."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as runner:
        browser = runner.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(180_000)  # of a busy computer
        for _ in range(120):
            try:
                page.goto(address)
                break
            except Error:
                page.wait_for_timeout(500)
        reconstruct(page, out)
        generate(page, out)
        translate(page, out)
        teach(page, out)
        phone(page, out)
        browser.close()


def reconstruct(page: Any, out: Path) -> None:
    """Twelve leads from a watch, with callipers over an RR interval of lead II."""
    page.get_by_role("button", name="Reconstruct twelve leads").click()
    page.wait_for_selector(".paper img")
    page.wait_for_timeout(1500)
    box = page.locator(".paper img").bounding_box()
    for x, y in ((0.323, 0.79), (0.4056, 0.79)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.wait_for_timeout(300)
    save(page, out / "page_reconstruct.png", height=1140)


def generate(page: Any, out: Path) -> None:
    """A grid of ECGs from the example sentence."""
    page.get_by_role("tab", name="Generate").click()
    page.get_by_role("button", name="Generate").click()
    page.wait_for_selector(".grid svg")
    save(page, out / "page_generate.png")


def translate(page: Any, out: Path) -> None:
    """An ECG from a PPG, with marked beats."""
    page.get_by_role("tab", name="Translate").click()
    page.get_by_role("button", name="Translate to an ECG").click()
    page.wait_for_selector("text=pulses per minute")
    save(page, out / "page_translate.png", height=1300)


def teach(page: Any, out: Path) -> None:
    """An answered question."""
    page.goto(urljoin(page.url, "/?tab=Teach&level=conduction&question=6"))
    page.get_by_role("button", name="Show").click()
    page.wait_for_selector(".paper img")
    page.locator(".q-radio").nth(3).click()
    page.get_by_role("button", name="Answer").click()
    page.wait_for_selector("text=Measured:")
    save(page, out / "page_teach.png", height=1240)


def phone(page: Any, out: Path) -> None:
    """The page on a phone."""
    page.set_viewport_size({"width": 390, "height": HEIGHT})
    page.goto(urljoin(page.url, "/"))
    page.get_by_role("button", name="Reconstruct twelve leads").click()
    page.wait_for_selector(".paper img")
    page.locator(".controls").evaluate("one => one.scrollIntoView()")
    save(page, out / "page_phone.png", width=390)


def save(page: Any, path: Path, height: int = HEIGHT, width: int = WIDTH) -> None:
    """Write what the window shows."""
    page.set_viewport_size({"width": width, "height": height})
    page.mouse.move(2, 2)
    page.wait_for_timeout(1500)
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shot.quantize(96, Image.Quantize.MAXCOVERAGE, kmeans=1).save(path, optimize=True)


if __name__ == "__main__":
    main()
