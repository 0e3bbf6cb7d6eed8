"""The moving picture of the page for the README: two shapes are drawn, predicted while they grow, and laid exactly.

    metricvae serve --port 8000 &
    python benchmarks/page_pictures.py --address http://127.0.0.1:8000/ --out docs/pictures/page.gif

It needs Playwright and a Chromium of the system.
"""

from __future__ import annotations

import argparse
import io
import math
import shutil
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import ViewportSize, sync_playwright

VIEW: ViewportSize = {"width": 1040, "height": 930}
SIZE = (760, 680)
"""Of the browser, and of the picture, in pixels."""

STROKE, PAUSE, MOTION, LAST = 110, 700, 90, 2_600
"""Milliseconds that a picture stands: within a stroke, between strokes, of the motion, at the end."""

WRENCH = ((0.25, 0.75), (0.72, 0.28), (0.86, 0.3), (0.78, 0.16), (0.7, 0.3))
STAR = tuple(
    (0.5 + r * math.sin(k * math.pi / 5), 0.52 - r * math.cos(k * math.pi / 5))
    for k in range(11)
    for r in [0.36 if k % 2 == 0 else 0.15]
)


class Film:
    """Pictures of a page, and how long each stands."""

    def __init__(self, page: Any) -> None:
        self.page, self.frames, self.times = page, list[Image.Image](), list[int]()

    def take(self, milliseconds: int) -> None:
        """Add what the page shows."""
        shot = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        self.frames.append(shot.resize(SIZE, Image.Resampling.LANCZOS))
        self.times.append(milliseconds)

    def draw(self, pad: str, points: tuple[tuple[float, float], ...], every: int) -> None:
        """Draw a line on a pad by the mouse."""
        box, mouse = self.page.locator(f".pad-{pad} canvas").bounding_box(), self.page.mouse
        placed = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        mouse.move(*placed[0])
        mouse.down()
        for number, point in enumerate(placed[1:]):
            mouse.move(*point, steps=10)
            if number % every == 0:
                self.page.wait_for_timeout(150)
                self.take(STROKE)
        mouse.up()

    def write(self, path: Path) -> None:
        """As a GIF of one palette, whose pictures differ little from one to the next."""
        colours = self.frames[-1].quantize(128, dither=Image.Dither.NONE)
        drawn = [one.quantize(palette=colours, dither=Image.Dither.NONE) for one in self.frames]
        drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=self.times, loop=0, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with sync_playwright() as started:
        flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page(viewport=VIEW)
        page.goto(options.address)
        page.locator(".answer-foot .command").wait_for()
        for pad in "AB":
            page.get_by_role("button", name=f"Clear shape {pad}").click()
        film = Film(page)
        film.take(PAUSE)
        film.draw("a", WRENCH, every=1)
        film.draw("b", STAR, every=2)
        page.get_by_role("button", name="Fill", exact=True).click()
        box = page.locator(".pad-b canvas").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 0.52 * box["height"])
        page.wait_for_timeout(500)
        film.take(PAUSE)
        page.get_by_role("button", name="Exact overlap", exact=True).click()
        page.locator(".pads").get_by_text("turned").wait_for(timeout=120_000)
        for _ in range(10):
            film.take(MOTION)
        page.wait_for_timeout(1_200)
        film.take(LAST)
        browser.close()
    film.write(options.out)


if __name__ == "__main__":
    main()
