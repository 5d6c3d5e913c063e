"""Reads the text of a PDF that Chromium printed, so that the tests need no library for it.

Chromium writes each object uncompressed, except the streams, and each text as the hexadecimal numbers of its glyphs.
"""

from __future__ import annotations

import re
import zlib

_OBJECT = re.compile(rb"(?<!\d)(\d+) 0 obj\s(.*?)endobj", re.DOTALL)
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_FONT_OR_TEXT = re.compile(r"/(F\d+) [\d.]+ Tf|<([0-9A-Fa-f]+)>|\bET\b")


def page_texts(data: bytes) -> list[str]:
    """Return the text of each page, without white space: where a line ends is not a part of a PDF."""
    objects = {int(number): body for number, body in _OBJECT.findall(data)}
    pages = [body for body in objects.values() if re.search(rb"/Type /Page\b", body)]
    return [_text(page, objects) for page in pages]


def _text(page: bytes, objects: dict[int, bytes]) -> str:
    fonts = {
        name.decode(): _glyphs(_stream(objects[_reference(rb"/ToUnicode", objects[int(number)])]))
        for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", page)
    }
    glyphs: dict[int, str] = {}
    text = []
    for font, numbers in _FONT_OR_TEXT.findall(_stream(objects[_reference(rb"/Contents", page)])):
        glyphs = fonts[font] if font else glyphs
        text += [glyphs[int(numbers[at : at + 4], 16)] for at in range(0, len(numbers), 4)]
    return "".join("".join(text).split())


def _reference(key: bytes, body: bytes) -> int:
    found = re.search(key + rb" (\d+) 0 R", body)
    assert found, key
    return int(found[1])


def _stream(body: bytes) -> str:
    found = _STREAM.search(body)
    assert found
    return zlib.decompress(found[1]).decode("latin-1")


def _glyphs(cmap: str) -> dict[int, str]:
    """Return the text of each glyph from a ToUnicode map."""
    glyphs = {}
    for block in re.findall(r"beginbfchar(.*?)endbfchar", cmap, re.DOTALL):
        for number, text in re.findall(r"<(\w+)> <(\w+)>", block):
            glyphs[int(number, 16)] = bytes.fromhex(text).decode("utf-16-be")
    for block in re.findall(r"beginbfrange(.*?)endbfrange", cmap, re.DOTALL):
        for first, last, text in re.findall(r"<(\w+)> <(\w+)> <(\w+)>", block):
            for number in range(int(first, 16), int(last, 16) + 1):
                glyphs[number] = chr(int(text, 16) + number - int(first, 16))
    return glyphs
