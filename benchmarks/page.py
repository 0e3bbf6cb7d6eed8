"""The page in a browser: from the command to the first paint, and from the pointer to the new prediction.

    python benchmarks/page.py [--starts 5] [--strokes 20]

It needs Playwright and a Chromium of the system. A prediction is timed from the first move of the pointer that is not
answered yet to the moment the page shows the answer to it; the pointer moves every 16 ms. JSON on stdout.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import Any

import numpy as np
from playwright.sync_api import Browser, sync_playwright

FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]

PAINTED = "performance.getEntriesByName('first-contentful-paint')"

LISTEN = """() => {
  window.gaps = []; window.asked = null;
  const canvas = document.querySelector('.pad-a canvas');
  canvas.addEventListener('pointermove', () => { window.asked ??= performance.now(); }, true);
  document.addEventListener('predicted', () => {
    if (window.asked !== null) { window.gaps.push(performance.now() - window.asked); window.asked = null; }
  });
}"""


class Server:
    """A server of its own, with an empty folder."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address, self.folder = f"http://127.0.0.1:{port}/", tempfile.TemporaryDirectory()
        words = [sys.executable, "-m", "metricvae", "serve", "--port", str(port), "--folder", self.folder.name]
        began = time.perf_counter()
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                urllib.request.urlopen(self.address).read()
                break
            except OSError:
                time.sleep(0.01)
        self.seconds = time.perf_counter() - began

    def end(self) -> None:
        """Stop it, and remove its folder."""
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def first_paint(browser: Browser) -> float:
    """Seconds from the command to the first contentful paint of a page that was asked for as soon as possible."""
    server = Server()
    page = browser.new_page()
    page.goto(server.address)
    while not page.evaluate(f"{PAINTED}.length"):  # the page's policy forbids to wait by a function in it
        page.wait_for_timeout(50)
    painted = page.evaluate(f"{PAINTED}[0].startTime")
    page.close()
    server.end()
    return server.seconds + float(painted) / 1_000


def strokes(browser: Browser, count: int) -> list[float]:
    """Milliseconds from the pointer to its prediction, over some strokes."""
    server = Server()
    page = browser.new_page(viewport={"width": 1360, "height": 900})
    page.goto(server.address)
    page.locator(".answer-foot .command").wait_for(timeout=60_000)
    page.evaluate(LISTEN)
    box: Any = page.locator(".pad-a canvas").bounding_box()
    for stroke in range(count):
        y = box["y"] + box["height"] * (0.15 + 0.7 * (stroke % 10) / 10)
        page.mouse.move(box["x"] + 40, y)
        page.mouse.down()
        for step in range(8):
            page.mouse.move(box["x"] + 40 + 20 * step, y + 5 * (step % 3))
            page.wait_for_timeout(16)
        page.mouse.up()
        page.wait_for_timeout(150)
    found: list[float] = page.evaluate("gaps")
    page.close()
    server.end()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--strokes", type=int, default=20)
    options = parser.parse_args()
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        paints = [first_paint(browser) for _ in range(options.starts)]
        gaps = strokes(browser, options.strokes)
        browser.close()
    document = {
        "first paint, s": [round(one, 2) for one in paints],
        "pointer to prediction, ms": {
            "n": len(gaps),
            "median": round(statistics.median(gaps), 1),
            "p95": round(float(np.quantile(gaps, 0.95)), 1),
        },
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
