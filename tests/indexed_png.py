"""Screenshots made small: of a page's thousands of shades 128 are kept, which text and plain areas do not show.

https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Final

from playwright.sync_api import Page

COLOURS: Final = 128

# The most frequent colours, and of the others those that differ from all before; the rest become the nearest of them.
_INDEXED: Final = """
async ([png, colours]) => {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const { data } = canvas.getImageData(0, 0, image.width, image.height);
  const colour = (at) => (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
  const channels = (colour) => [colour >> 16, (colour >> 8) & 255, colour & 255];
  const far = (one, other) => one.reduce((sum, value, channel) => sum + (value - other[channel]) ** 2, 0);
  const found = new Map();
  for (let at = 0; at < data.length; at += 4) found.set(colour(at), (found.get(colour(at)) ?? 0) + 1);
  const palette = [];
  for (const [each, count] of [...found].sort((one, other) => other[1] - one[1])) {
    const frequent = count > data.length / 4000;
    const differs = frequent || palette.every((kept) => far(kept, channels(each)) > 200);
    if (differs && palette.length < colours) palette.push(channels(each));
  }
  const nearest = new Map();
  for (const each of found.keys()) {
    const away = palette.map((kept) => far(kept, channels(each)));
    nearest.set(each, away.indexOf(Math.min(...away)));
  }
  let indices = "";
  for (let at = 0; at < data.length; at += 4) indices += String.fromCharCode(nearest.get(colour(at)));
  return [image.width, image.height, palette, btoa(indices)];
}
"""


def indexed(page: Page, png: bytes) -> bytes:
    """`png` with a palette of at most COLOURS; `page` is one that may run anything, such as about:blank."""
    width, height, palette, encoded = page.evaluate(_INDEXED, [base64.b64encode(png).decode(), COLOURS])
    indices = base64.b64decode(encoded)
    rows = b"".join(b"\0" + indices[start : start + width] for start in range(0, width * height, width))
    return b"".join((
        b"\x89PNG\r\n\x1a\n",
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        _chunk(b"PLTE", bytes(channel for colour in palette for channel in colour)),
        _chunk(b"IDAT", zlib.compress(rows, 9)),
        _chunk(b"IEND", b""),
    ))  # fmt: skip


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
