"""Whether two pictures show the same, pixel by pixel; their files differ, since ComfyUI writes the graph into each.

python3 compare.py ONE OTHER      exit code 0 when they do, 1 when they do not; it needs Pillow
"""

from __future__ import annotations

import sys

from PIL import Image, ImageChops


def same(one: str, other: str) -> bool:
    """Whether size, mode and every pixel agree."""
    with Image.open(one) as first, Image.open(other) as second:
        if (first.mode, first.size) != (second.mode, second.size):
            return False
        return ImageChops.difference(first, second).getbbox() is None


if __name__ == "__main__":
    agree = same(*sys.argv[1:])
    print("the same picture" if agree else "not the same picture")
    sys.exit(not agree)
