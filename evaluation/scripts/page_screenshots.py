"""Screenshots of the page for the docs: ``python -m evaluation.scripts.page_screenshots``.

Serves the page, drives the Chromium of the distribution, and writes docs/figures/page_*.png with 96 colours.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image

OUT = Path(__file__).parents[2] / "docs" / "figures"
PORT = 18081
WIDTH, HEIGHT = 1280, 860


def main() -> None:
    """Write the screenshots."""
    from playwright.sync_api import Error, sync_playwright

    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    server = subprocess.Popen([sys.executable, "-m", "ecggen", "serve", "--port", str(PORT)])
    try:
        with sync_playwright() as runner:
            browser = runner.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            for _ in range(120):
                try:
                    page.goto(f"http://127.0.0.1:{PORT}")
                    break
                except Error:
                    page.wait_for_timeout(500)
            reconstruct(page)
            generate(page)
            translate(page)
            teach(page)
            phone(page)
            browser.close()
    finally:
        server.terminate()


def reconstruct(page: Any) -> None:
    """Twelve leads from a watch, with callipers over an RR interval of lead II."""
    page.get_by_role("button", name="Reconstruct twelve leads").click()
    page.wait_for_selector(".paper img")
    page.wait_for_timeout(1500)
    box = page.locator(".paper img").bounding_box()
    for x, y in ((0.323, 0.79), (0.4056, 0.79)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.wait_for_timeout(300)
    save(page, "reconstruct", height=1140)


def generate(page: Any) -> None:
    """A grid of ECGs from the example sentence."""
    page.get_by_role("tab", name="Generate").click()
    page.get_by_role("button", name="Generate").click()
    page.wait_for_selector(".grid svg")
    save(page, "generate")


def translate(page: Any) -> None:
    """An ECG from a PPG, with marked beats."""
    page.get_by_role("tab", name="Translate").click()
    page.get_by_role("button", name="Translate to an ECG").click()
    page.wait_for_selector("text=pulses per minute")
    save(page, "translate", height=1300)


def teach(page: Any) -> None:
    """An answered question."""
    page.goto(f"http://127.0.0.1:{PORT}/?tab=Teach&level=conduction&question=6")
    page.get_by_role("button", name="Show").click()
    page.wait_for_selector(".paper img")
    page.locator(".q-radio").nth(3).click()
    page.get_by_role("button", name="Answer").click()
    page.wait_for_selector("text=Measured:")
    save(page, "teach", height=1240)


def phone(page: Any) -> None:
    """The page on a phone."""
    page.set_viewport_size({"width": 390, "height": HEIGHT})
    page.goto(f"http://127.0.0.1:{PORT}")
    page.get_by_role("button", name="Reconstruct twelve leads").click()
    page.wait_for_selector(".paper img")
    page.locator(".controls").scroll_into_view_if_needed()
    page.mouse.wheel(0, 500)
    save(page, "phone", width=390)


def save(page: Any, name: str, height: int = HEIGHT, width: int = WIDTH) -> None:
    """Write what the window shows."""
    page.set_viewport_size({"width": width, "height": height})
    page.mouse.move(2, 2)
    page.wait_for_timeout(1500)
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shot.quantize(96, Image.Quantize.MAXCOVERAGE).save(OUT / f"page_{name}.png", optimize=True)


if __name__ == "__main__":
    main()
