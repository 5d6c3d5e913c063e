"""The browser that the viewer is tested in: a Chromium or Chrome of this machine.

Run as a module, which `make test` does, it installs one where there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ELSEWHERE: Final = (Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),)

# Whoever runs the tests may be root, in a container, and without a way out.
OPTIONS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")

_HOW: Final = """The viewer's tests need Chromium or Chrome, and none could be installed. Install one, for example:
  Debian and Ubuntu  sudo apt-get install chromium
  Fedora             sudo dnf install chromium
  macOS              brew install --cask google-chrome
and run `make test` again."""


def executable() -> str | None:
    """Path of the browser; None where there is none."""
    found = [path for name in _NAMES if (path := shutil.which(name))]
    found += [str(path) for path in _ELSEWHERE if path.exists()]
    if not found:
        with sync_playwright() as playwright:
            path = playwright.chromium.executable_path
        found += [path] if Path(path).exists() else []
    return found[0] if found else None


def install() -> bool:
    """Install a browser: by Debian's packages where this process may, else Playwright's own build."""
    commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get") and os.geteuid() == 0:
        apt = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium"]
        commands = [["apt-get", "update", "--quiet"], apt, *commands]
    for command in commands:
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        if executable():
            return True
    return False


if __name__ == "__main__":
    if not executable():
        print("The viewer's tests need a browser: installing Chromium, a minute or two, once", flush=True)
        if not install():
            sys.exit(_HOW)
