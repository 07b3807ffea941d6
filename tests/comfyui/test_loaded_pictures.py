"""LoadFromArtifactDB gives a picture and its mask exactly as LoadImage gives them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from comfyui_graphs import Graph, loaded_picture
from comfyui_studio import Outcome, Studio, pixels
from PIL import Image


def noise(mode: str, size: tuple[int, int] = (20, 12)) -> Image.Image:
    """A picture that has something of everything in it, alpha too."""
    bands = [Image.effect_noise(size, 90 + 10 * index) for index in range(len(Image.new(mode, (1, 1)).getbands()))]
    return Image.merge(mode, bands) if len(bands) > 1 else bands[0].convert(mode)


def encoded(picture: Image.Image, file_format: str, **how: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **how)
    return file.getvalue()


def sixteen_bits() -> bytes:
    picture = Image.new("I;16", (20, 12))
    picture.putdata([index * 270 for index in range(240)])
    return encoded(picture, "PNG")


def thirty_two_bits() -> bytes:
    picture = Image.new("I", (20, 12))
    picture.putdata([index * 270 for index in range(240)])
    return encoded(picture, "TIFF")


def palette(**how: Any) -> bytes:
    return encoded(noise("RGB").quantize(16), "PNG", **how)


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(noise("RGB"), "JPEG", exif=exif)


def animated(file_format: str, mode: str, **how: Any) -> bytes:
    first, *others = [noise(mode) for _ in range(3)]
    return encoded(first, file_format, save_all=True, append_images=others, duration=50, **how)


def transparent_gif() -> bytes:
    frames = [noise("L").quantize(8) for _ in range(3)]
    options = {"transparency": 2, "disposal": 2, "duration": 50}
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], **options)


def pages_of_two_sizes() -> bytes:
    return encoded(noise("RGB"), "TIFF", save_all=True, append_images=[noise("RGB", (9, 9)), noise("RGB")])


PICTURES: dict[str, Callable[[], bytes]] = {
    "rgb.png": lambda: encoded(noise("RGB"), "PNG"),
    "rgba.png": lambda: encoded(noise("RGBA"), "PNG"),
    "la.png": lambda: encoded(noise("LA"), "PNG"),
    "grey.png": lambda: encoded(noise("L"), "PNG"),
    "bilevel.png": lambda: encoded(noise("1"), "PNG"),
    "palette.png": palette,
    "palette-with-a-hole.png": lambda: palette(transparency=3),
    "palette-with-alpha.png": lambda: palette(transparency=bytes(range(0, 256, 16))),
    "rgb-with-a-key.png": lambda: encoded(noise("RGB"), "PNG", transparency=(0, 0, 0)),
    "16-bit.png": sixteen_bits,
    "32-bit.tiff": thirty_two_bits,
    "cmyk.jpg": lambda: encoded(noise("CMYK"), "JPEG"),
    "rotated.jpg": rotated,
    "lossless.webp": lambda: encoded(noise("RGBA"), "WEBP", lossless=True),
    "animated.gif": lambda: animated("GIF", "RGB"),
    "animated-with-a-hole.gif": transparent_gif,
    "animated.webp": lambda: animated("WEBP", "RGBA", lossless=True),
    "animated.png": lambda: animated("PNG", "RGBA"),
    "two-views.jpg": lambda: animated("MPO", "RGB"),
    "pages-of-two-sizes.tiff": pages_of_two_sizes,
}


@pytest.mark.parametrize("filename", PICTURES)
def test_a_picture_and_its_mask_are_those_of_load_image(studio: Studio, filename: str) -> None:
    data = PICTURES[filename]()
    artifact = studio.uploaded(data, filename)
    assert artifact["file_type"] == "image"
    assert_same_as_load_image(studio, artifact["id"], data, filename)


@pytest.mark.parametrize("filename", ["rgba.png", "rotated.jpg", "animated.gif", "animated.webp"])
def test_an_edit_in_another_format_too(studio: Studio, filename: str) -> None:
    data = PICTURES[filename]()
    edit = studio.upload(f"/artifacts/{studio.saved()['id']}/edit", data, filename)
    assert_same_as_load_image(studio, edit["id"], data, filename)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_what_was_saved_comes_back_bit_for_bit(studio: Studio, channels: int) -> None:
    first = Graph()
    save = first.save(first.picture(batch=2, channels=channels))
    for artifact_id in studio.run(first).ids(save):
        second = Graph()
        load = second.load(artifact_id=artifact_id)
        image, mask = second.write(load), second.write_mask(load[1])
        outcome = studio.run(second)
        ((mode, size, shown),) = [pixels(file) for file in studio.written(outcome, image)]
        with Image.open(io.BytesIO(studio.data(artifact_id))) as kept:
            assert (mode, size, shown) == ("RGB", kept.size, kept.convert("RGB").tobytes())
            alpha = kept.getchannel("A") if channels == 4 else Image.new("L", (64, 64), 255)
        ((_, size, shown),) = [pixels(file) for file in studio.written(outcome, mask)]
        assert size == alpha.size
        # A mask is counted from white, and a picture cut down to whole numbers: one may be lost.
        assert all(254 <= opaque + hole <= 255 for opaque, hole in zip(alpha.tobytes(), shown[::3], strict=True))


@pytest.mark.parametrize("keep", [20, 200])
def test_a_picture_that_is_cut_off_fails_clearly(studio: Studio, keep: int) -> None:
    artifact = studio.uploaded(PICTURES["rgb.png"]()[:keep], "cut.png")
    outcome = studio.run(loaded_picture(artifact_id=artifact["id"]), status="error")
    assert outcome.error.startswith("the picture cannot be read: ")


def assert_same_as_load_image(studio: Studio, artifact_id: str, data: bytes, filename: str) -> None:
    answer = studio.ask("POST", "/upload/image", 200, files={"image": (filename, data)}, data={"subfolder": "compared"})
    graph = Graph()
    nodes = []
    core = graph.add("LoadImage", image=f"compared/{answer.json()['name']}")
    for load in (graph.load(artifact_id=artifact_id), core):
        nodes.append((graph.write(load), graph.write_mask(load[1])))
    outcome = studio.run(graph)
    ours, theirs = ([shown(studio, outcome, node) for node in pair] for pair in nodes)
    assert ours == theirs
    assert len(set(ours[0])) == len(ours[0]), "each frame is another"


def shown(studio: Studio, outcome: Outcome, node: Any) -> list[Any]:
    return [pixels(file) for file in studio.written(outcome, node)]
