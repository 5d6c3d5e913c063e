"""Finds the browser for the tests of the viewer: Chromium or Chrome on this machine.

If no browser exists, running this file as a module installs one. `make test` does so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import expect, sync_playwright

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OTHER_PATHS: Final = (Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),)

# Tests may run as root, in a container and without internet access.
OPTIONS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")

# A slow machine needs longer than the default of 5 s.
expect.set_options(timeout=30_000)

_INSTRUCTIONS: Final = """The viewer's tests need Chromium or Chrome, and no installation succeeded. Install one:
  Debian and Ubuntu  sudo apt-get install chromium
  Fedora             sudo dnf install chromium
  macOS              brew install --cask google-chrome
and run `make test` again."""


def executable() -> str | None:
    """Return the path of the browser, or None if there is none."""
    found = [path for name in _NAMES if (path := shutil.which(name))]
    found += [str(path) for path in _OTHER_PATHS if path.exists()]
    if not found:
        with sync_playwright() as playwright:
            path = playwright.chromium.executable_path
        found += [path] if Path(path).exists() else []
    return found[0] if found else None


def install() -> bool:
    """Install a browser and return whether this succeeded.

    Use the Debian package if this process is root on Debian. Otherwise, use the build of Playwright.
    """
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
        print("The viewer's tests need a browser. Installing Chromium once. This takes one to two minutes.", flush=True)
        if not install():
            sys.exit(_INSTRUCTIONS)
