#!/usr/bin/env python3
"""Makes the pictures of the README, docs/images/console.{en,zh}.png, anew: serves the shipped models, rates a listing in the console as
Chromium shows it, and keeps 256 colours. Run it with .runtime/python/bin/python, which has Pillow; tests/test_browser.py says what
else it needs.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import test_browser as browser  # noqa: E402

IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 150_000


def main() -> None:
    if browser.MISSING:
        sys.exit(f"pictures: apt-get install {' '.join(browser.MISSING)}")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        browser.repository(folder)
        package = browser.installed(folder)
        with browser.serving(folder) as server:
            environment = browser.environment(WILDWARDEN_CONSOLE=f"http://{server['console']}")
            subprocess.run(["node", "pictures.mjs", str(folder)], cwd=package, env=environment, check=True, timeout=browser.TIMEOUT)
        IMAGES.mkdir(exist_ok=True)
        for picture in sorted(folder.glob("console.*.png")):
            # Dots in the place of a colour would blur letters and make the file larger.
            few = Image.open(picture).convert("RGB").quantize(256, kmeans=2, dither=Image.Dither.NONE)
            few.save(IMAGES / picture.name, optimize=True)
            size = (IMAGES / picture.name).stat().st_size
            assert size < MOST_BYTES, f"{picture.name} has {size} bytes"
            print(f"{IMAGES / picture.name}: {few.width} x {few.height}, {size} bytes")


if __name__ == "__main__":
    main()
