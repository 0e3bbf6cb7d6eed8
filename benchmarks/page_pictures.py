"""Pictures of the page: the moving one of the README, in which two shapes are drawn, predicted while they grow, and
laid exactly; what it ends with; and two molecules, one laid on the other.

    metricvae serve --port 8000 &
    python benchmarks/page_pictures.py --address http://127.0.0.1:8000/ --out docs/pictures

`--only page-molecules.png` takes one of them. It needs Playwright and a Chromium of the system. Pictures that stand
still are written in all their colours: a palette of a few that a median cut chose gave the page's near-white ground
the mean of what lay in its box, a pink.
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
"""Of the browser, and of the moving picture, in pixels."""

WIDE: ViewportSize = {"width": 1360, "height": 900}
WIDTH = 1020
"""Of the browser, and of pictures that stand still, in pixels."""

NAMES = ("page.gif", "page-shapes.png", "page-molecules.png")

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
        colours = palette_of(self.frames[-1])
        drawn = [one.quantize(palette=colours, dither=Image.Dither.NONE) for one in self.frames]
        drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=self.times, loop=0, optimize=True)


def palette_of(picture: Image.Image, flat: int = 32, mixed: int = 96) -> Image.Image:
    """A palette: the colours of a picture's largest areas as they are, and some for all the rest by median cut."""
    counted = picture.getcolors(picture.width * picture.height) or []
    areas = [colour for _, colour in sorted(counted, reverse=True)[:flat]]
    rest = (picture.quantize(mixed, dither=Image.Dither.NONE).getpalette() or [])[: 3 * mixed]
    found = Image.new("P", (1, 1))
    found.putpalette([*(part for colour in areas for part in colour), *rest])  # type: ignore[misc, union-attr, attr-defined]
    return found


def draw_shapes(page: Any, film: Film) -> None:
    """Draw a wrench and a star, fill the star, and lay it on the wrench."""
    page.locator(".answer-foot .command").wait_for()
    for pad in "AB":
        page.get_by_role("button", name=f"Clear shape {pad}").click()
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


def lay_molecules(page: Any) -> None:
    """Wait until the molecules that the page begins with are laid on one another and shown with their features."""
    page.locator("#results-overlay .meter").first.wait_for(timeout=900_000)
    page.locator("#stage canvas").wait_for(timeout=60_000)
    page.get_by_label("Surface").select_option("none")
    page.wait_for_timeout(5_000)


def take_still(page: Any, path: Path) -> None:
    """Write what the page shows, to its end, in all its colours."""
    shot = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    height = round(shot.height * WIDTH / shot.width)
    shot.resize((WIDTH, height), Image.Resampling.LANCZOS).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help="some of the pictures")
    options = parser.parse_args()
    with sync_playwright() as started:
        flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        for name in options.only:
            page = browser.new_page(viewport=VIEW if name == "page.gif" else WIDE, color_scheme="light")
            page.set_default_timeout(120_000)
            page.goto(options.address + ("#molecules" if name == "page-molecules.png" else ""))
            if name == "page-molecules.png":
                lay_molecules(page)
            else:
                film = Film(page)
                draw_shapes(page, film)
            if name == "page.gif":
                film.write(options.out / name)
            else:
                take_still(page, options.out / name)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
