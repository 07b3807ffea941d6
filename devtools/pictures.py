"""Makes the pictures that demo and benches begin with, so that none has to be shipped."""

from __future__ import annotations

import math
import random
import struct
import zlib

GRAIN = 9
"""How many shades the grain has: with it a 1024 x 1024 picture has the size of a photo's PNG, about 1.5 MB."""


def photo(width: int, height: int, *, seed: int = 1) -> bytes:
    """A PNG of a landscape at dusk: gradients, hills and film grain, which compress about as a photo does."""
    grain = random.Random(seed)
    ridges = [(0.55 + 0.1 * k, 3.0 + 2.3 * k, grain.random() * 6.28, 0.06 / (k + 1)) for k in range(3)]
    sun_x, sun_y, sun_r = width * (0.3 + 0.4 * grain.random()), height * 0.42, height * 0.11
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        sky = y / height
        noise = grain.randbytes(3 * width)
        for x in range(width):
            hill = next(
                (
                    k
                    for k in (2, 1, 0)
                    if sky > ridges[k][0] + ridges[k][3] * math.sin(ridges[k][2] + ridges[k][1] * x / width * 3)
                ),
                None,
            )
            if hill is not None:
                red, green, blue = 58 - 14 * hill, 44 - 12 * hill, 78 - 18 * hill
            elif (x - sun_x) ** 2 + (y - sun_y) ** 2 < sun_r**2:
                red, green, blue = 255, 226, 150
            else:
                red, green, blue = int(250 - 120 * (1 - sky)), int(120 + 60 * sky), int(110 + 70 * (1 - sky))
            grains = (noise[3 * x + channel] % GRAIN - GRAIN // 2 for channel in range(3))
            rows += bytes(_byte(value + shade) for value, shade in zip((red, green, blue), grains, strict=True))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 4)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _byte(value: int) -> int:
    return max(0, min(255, value))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
