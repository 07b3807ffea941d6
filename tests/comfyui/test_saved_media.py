"""What SaveToArtifactDB takes beside pictures comes back from LoadFromArtifactDB as it was, bit for bit."""

from __future__ import annotations

import io
import json
import random
from typing import Any

import av
import pytest
from comfyui_graphs import Graph, Node
from comfyui_studio import Studio, pixels
from PIL import Image

OUTPUTS = {"image": 0, "mask": 1, "video": 4, "audio": 5, "latent": 6, "text": 7}
WORKFLOW = {"nodes": [{"id": 1, "title": "Größe ✓"}], "version": 0.4}


def seed() -> int:
    return random.getrandbits(50)


def saved(studio: Studio, graph: Graph, value: Node, **widgets: Any) -> tuple[list[str], str]:
    """Save a value; the ids of its artifacts, and a digest of the value that went on through the node."""
    save = graph.save(value, **widgets)
    shown = graph.show(graph.add("TestsDigest", value=save[0]))
    outcome = studio.run(graph, pnginfo={"workflow": WORKFLOW})
    return outcome.ids(save), outcome.text(shown)[0]


def loaded(studio: Studio, artifact_id: str, output: str) -> str:
    """A digest of what is loaded."""
    graph = Graph()
    shown = graph.show(graph.add("TestsDigest", value=graph.load(artifact_id=artifact_id)[OUTPUTS[output]]))
    return studio.run(graph).text(shown)[0]


@pytest.mark.parametrize("file_format", ["default", "png", "webp"])
def test_masks_come_back(studio: Studio, file_format: str) -> None:
    graph, which = Graph(), {"seed": seed(), "batch": 3}
    ids, _ = saved(studio, graph, graph.add("TestsMask", **which), format=file_format, quality=100)
    assert len(ids) == 3
    artifacts = [studio.artifact(one) for one in ids]
    assert [one["output_key"].split(":")[1] for one in artifacts] == ["images"] * 3
    assert [one["file_type"] for one in artifacts] == ["image"] * 3
    assert artifacts[0]["file_format"] == ("webp" if file_format == "webp" else "png")
    again = Graph()
    together, *others = [again.load(artifact_id=one)[1] for one in ids]
    for other in others:
        together = again.add("TestsBatchMasks", one=together, other=other)[0]
    shown = [again.show(again.add("TestsDigest", value=one)) for one in (together, again.add("TestsMask", **which))]
    outcome = studio.run(again)
    assert outcome.text(shown[0]) == outcome.text(shown[1])


def test_an_edited_mask_is_still_a_mask(studio: Studio) -> None:
    graph = Graph()
    ((artifact_id,), _) = saved(studio, graph, graph.add("TestsMask", seed=seed(), batch=1))
    painted = io.BytesIO()
    Image.effect_noise((24, 16), 90).save(painted, "PNG")
    edit = studio.upload(f"/artifacts/{artifact_id}/edit", painted.getvalue(), "painted.png")
    again = Graph()
    shown = again.write_mask(again.load(artifact_id=edit["id"])[1])
    (written,) = studio.written(studio.run(again), shown)
    assert pixels(written)[2][::3] == pixels(painted.getvalue())[2]


@pytest.mark.parametrize(("file_format", "bits"), [("default", 16), ("flac", 24), ("wav", 16), ("wav", 24), ("wav", 0)])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_sounds_come_back_as_far_as_the_format_can(studio: Studio, file_format: str, bits: int, channels: int) -> None:
    graph = Graph()
    sound = graph.sound(bits=bits, channels=channels)
    ((artifact_id,), before) = saved(studio, graph, sound, format=file_format)
    assert loaded(studio, artifact_id, "audio") == before
    artifact = studio.artifact(artifact_id)
    assert artifact["file_type"] == "audio"
    assert artifact["file_format"] == ("flac" if file_format == "default" else file_format)
    assert artifact["output_key"].split(":")[1] == "audio"
    assert artifact["metadata"]["sample_rate"] == 22050
    assert artifact["metadata"]["channels"] == channels


@pytest.mark.parametrize("file_format", ["flac", "wav"])
def test_a_sound_without_samples_comes_back(studio: Studio, file_format: str) -> None:
    graph = Graph()
    sound = graph.sound(samples=0, rate=random.randrange(8000, 48000))
    ((artifact_id,), before) = saved(studio, graph, sound, format=file_format)
    assert loaded(studio, artifact_id, "audio") == before


def test_an_mp3_of_a_sound_without_samples_is_one_of_silence(studio: Studio) -> None:
    graph = Graph()
    ((artifact_id,), _) = saved(studio, graph, graph.sound(samples=0), format="mp3")
    with av.open(io.BytesIO(studio.data(artifact_id))) as container:
        assert container.duration / av.time_base < 0.1


def test_a_sound_that_is_read_when_it_is_asked_for_is_a_sound(studio: Studio) -> None:
    graph = Graph()
    how = {"bits": 16, "batch": 1, "channels": 2, "samples": 3000, "rate": 22050}
    ((artifact_id,), before) = saved(studio, graph, graph.add("TestsLazySound", seed=seed(), **how))
    assert loaded(studio, artifact_id, "audio") == before


def test_a_batch_of_sounds_is_as_many_files(studio: Studio) -> None:
    graph = Graph()
    ids, _ = saved(studio, graph, graph.sound(batch=3))
    assert len({studio.artifact(one)["sha256"] for one in ids}) == 3


@pytest.mark.parametrize("rate", [22050, 96000])
def test_mp3_holds_the_sound_as_long_as_it_was(studio: Studio, rate: int) -> None:
    graph = Graph()
    sound = graph.sound(samples=2 * rate, rate=rate)
    ((artifact_id,), _) = saved(studio, graph, sound, format="mp3")
    with av.open(io.BytesIO(studio.data(artifact_id))) as container:
        (stream,) = container.streams
        assert (stream.codec_context.codec.canonical_name, stream.channels) == ("mp3", 2)
        assert abs(container.duration / av.time_base - 2.0) < 0.1


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "nested"])
def test_latents_come_back_with_all_that_belongs_to_them(studio: Studio, kind: str) -> None:
    graph = Graph()
    ((artifact_id,), before) = saved(studio, graph, graph.add("TestsLatent", seed=seed(), kind=kind))
    assert loaded(studio, artifact_id, "latent") == before
    artifact = studio.artifact(artifact_id)
    assert (artifact["file_type"], artifact["file_format"]) == ("latent", "latent")
    assert artifact["output_key"].split(":")[1] == "latents"
    assert artifact["filename"].endswith("_.latent")


def test_a_latent_is_a_file_for_load_latent(studio: Studio) -> None:
    graph = Graph()
    latent = graph.add("EmptyLatentImage", width=64, height=64, batch_size=2)
    ((artifact_id,), before) = saved(studio, graph, latent)
    data = studio.data(artifact_id)
    name = studio.ask("POST", "/upload/image", 200, files={"image": ("a.latent", data)}).json()["name"]
    again = Graph()
    shown = again.show(again.add("TestsDigest", value=again.add("LoadLatent", latent=name)))
    assert studio.run(again).text(shown) == [before]


def test_what_a_latent_file_cannot_hold_is_said(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.add("TestsLatent", seed=seed(), kind="strange"))
    outcome = studio.run(graph)
    assert outcome.text(save) == ["a latent file cannot hold sampler: left out"]
    again = Graph()
    shown = again.show(again.add("TestsDigest", value=again.load(artifact_id=outcome.ids(save)[0])[6]))
    assert set(json.loads(studio.run(again).text(shown)[0])) == {"samples"}


@pytest.mark.parametrize("text", ["", "once\r\nupon a time\n", "Größe ✓ 🎞", '{"a": [1]}', "\ufefffirst", "x" * 100_000])
def test_texts_come_back(studio: Studio, text: str) -> None:
    graph = Graph()
    ((artifact_id,), _) = saved(studio, graph, graph.add("TestsTexts", texts={"__value__": [text]}))
    assert json.loads(loaded(studio, artifact_id, "text")) == text
    assert studio.data(artifact_id) == text.encode()
    artifact = studio.artifact(artifact_id)
    assert (artifact["file_type"], artifact["file_format"]) == ("text", "txt")
    assert artifact["output_key"].split(":")[1] == "text"


def test_a_text_may_be_json_and_then_is(studio: Studio) -> None:
    graph = Graph()
    ((artifact_id,), _) = saved(studio, graph, graph.add("PrimitiveString", value='{"a": [1]}'), format="json")
    assert studio.artifact(artifact_id)["file_format"] == "json"
    assert studio.data(artifact_id) == b'{"a": [1]}'
    graph = Graph()
    graph.save(graph.add("PrimitiveString", value="{a: 1}"), format="json")
    before = studio.files()
    assert studio.run(graph, status="error").error.startswith("the text is not JSON: ")
    assert studio.files() == before


@pytest.mark.parametrize("sound", [False, True])
@pytest.mark.parametrize("file_format", ["default", "webm"])
def test_a_video_of_pictures_is_encoded(studio: Studio, file_format: str, sound: bool) -> None:
    graph = Graph()
    made = graph.video(sound=sound)
    save = graph.save(made, format=file_format)
    (artifact_id,) = studio.run(graph).ids(save)
    artifact, data = studio.artifact(artifact_id), studio.data(artifact_id)
    assert artifact["file_type"] == "video"
    assert artifact["file_format"] == ("webm" if file_format == "webm" else "mp4")
    with av.open(io.BytesIO(data)) as container:
        codecs = [stream.codec_context.codec.canonical_name for stream in container.streams]
        pictures = list(container.decode(video=0))
    assert codecs == (["vp9"] if file_format == "webm" else ["h264"]) + (
        [] if not sound else ["opus"] if file_format == "webm" else ["aac"]
    )
    assert [(frame.width, frame.height) for frame in pictures] == [(24, 16)] * 5
    assert pictures[-1].time == pytest.approx(4 / 8, abs=0.01)


def test_a_video_of_an_odd_size_keeps_every_pixel(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.video(width=25, height=17))
    (artifact_id,) = studio.run(graph).ids(save)
    with av.open(io.BytesIO(studio.data(artifact_id))) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (25, 17)


@pytest.mark.parametrize("file_format", ["mp4", "webm"])
def test_a_video_file_comes_back_and_goes_on_without_being_encoded_again(studio: Studio, file_format: str) -> None:
    graph = Graph()
    save = graph.save(graph.video(sound=True), format=file_format)
    (artifact_id,) = studio.run(graph).ids(save)
    data = studio.data(artifact_id)
    name = studio.ask("POST", "/upload/image", 200, files={"image": (f"a.{file_format}", data)}).json()["name"]
    again = Graph()
    shown = [
        again.show(again.add("TestsDigest", value=source))
        for source in (again.load(artifact_id=artifact_id)[4], again.add("LoadVideo", file=name))
    ]
    copy = again.save(again.load(artifact_id=artifact_id)[4])
    outcome = studio.run(again)
    assert outcome.text(shown[0]) == outcome.text(shown[1])
    (copied,) = outcome.ids(copy)
    assert studio.artifact(copied)["file_format"] == file_format
    assert packets(studio.data(copied)) == packets(data)


def packets(data: bytes) -> list[tuple[str, bytes]]:
    with av.open(io.BytesIO(data)) as container:
        return sorted((packet.stream.type, bytes(packet)) for packet in container.demux() if packet.size)


@pytest.mark.parametrize(
    ("first", "then", "codecs"), [("mp4", "webm", ["vp9", "opus"]), ("webm", "mp4", ["vp9", "opus"])]
)
def test_into_another_format_what_fits_is_copied_and_the_rest_encoded(
    studio: Studio, first: str, then: str, codecs: list[str]
) -> None:
    graph = Graph()
    save = graph.save(graph.video(sound=True), format=first)
    (source,) = studio.run(graph).ids(save)
    again = Graph()
    save = again.save(again.load(artifact_id=source)[4], format=then)
    (artifact_id,) = studio.run(again).ids(save)
    assert studio.artifact(artifact_id)["file_format"] == then
    with av.open(io.BytesIO(studio.data(artifact_id))) as container:
        assert [stream.codec_context.codec.canonical_name for stream in container.streams] == codecs
        assert len(list(container.decode(video=0))) == 5
        assert container.duration / av.time_base == pytest.approx(5 / 8, abs=0.2)
    left = [path for path in (studio.store / "staging").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left == []


def test_nobody_writes_to_a_stored_video_through_a_graph(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.video())
    (artifact_id,) = studio.run(graph).ids(save)
    before = studio.data(artifact_id)
    again = Graph()
    spoilt = again.show(again.add("TestsVandal", video=again.load(artifact_id=artifact_id)[4]))
    assert studio.run(again).text(spoilt) == ["refused refused refused"]
    assert studio.data(artifact_id) == before
    assert studio.artifact(artifact_id)["usable"] is True


@pytest.mark.parametrize("file_format", ["webp", "jpeg", "avif"])
def test_pictures_in_other_formats_embed_the_graph_as_comfyui_does(studio: Studio, file_format: str) -> None:
    graph = Graph()
    save = graph.save(graph.picture(width=64, height=64), format=file_format, quality=80)
    (artifact_id,) = studio.run(graph, pnginfo={"workflow": WORKFLOW}).ids(save)
    artifact = studio.artifact(artifact_id)
    assert artifact["file_format"] == ("jpg" if file_format == "jpeg" else file_format)
    assert artifact["filename"].endswith(f".{artifact['file_format']}")
    with Image.open(io.BytesIO(studio.data(artifact_id))) as picture:
        assert (picture.format, picture.size) == (file_format.upper(), (64, 64))
        exif = picture.getexif()
    assert json.loads(exif[0x0110].removeprefix("prompt:")) == graph
    assert json.loads(exif[0x010F].removeprefix("workflow:")) == WORKFLOW
    assert json.loads(exif[0x010E].removeprefix("artifact_db:"))["artifact_id"] == artifact_id


def test_webp_of_quality_100_loses_nothing(studio: Studio) -> None:
    graph = Graph()
    picture = graph.picture(channels=4)
    lossless, png = graph.save(picture, format="webp", quality=100), graph.save(picture)
    outcome = studio.run(graph)
    assert pixels(studio.data(outcome.ids(lossless)[0])) == pixels(studio.data(outcome.ids(png)[0]))


def test_quality_is_worth_its_bytes(studio: Studio) -> None:
    graph = Graph()
    picture, made = graph.picture(width=128, height=128), graph.video(width=128, height=128)
    sizes = {}
    saves = {}
    for file_format, value in (("webp", picture), ("jpeg", picture), ("avif", picture), ("mp4", made), ("webm", made)):
        for quality in (20, 95):
            saves[file_format, quality] = graph.save(value, format=file_format, quality=quality)
    outcome = studio.run(graph)
    for key, save in saves.items():
        sizes[key] = len(studio.data(outcome.ids(save)[0]))
    for file_format in ("webp", "jpeg", "avif", "mp4", "webm"):
        assert 1.5 * sizes[file_format, 20] < sizes[file_format, 95], sizes


def test_jpeg_says_that_it_has_no_alpha_channel(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.picture(channels=4), format="jpeg")
    outcome = studio.run(graph)
    assert outcome.text(save) == ["JPEG has no alpha channel: it was left out"]
    assert pixels(studio.data(outcome.ids(save)[0]))[:2] == ("RGB", (24, 16))


def test_a_workflow_that_no_jpeg_can_hold_leaves_the_lineage_in_it(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.picture(), format="jpeg")
    (artifact_id,) = studio.run(graph, pnginfo={"workflow": {"nodes": ["x" * 70_000]}}).ids(save)
    with Image.open(io.BytesIO(studio.data(artifact_id))) as picture:
        texts = [str(value) for value in picture.getexif().values()]
    assert [text.partition(":")[0] for text in texts] == ["artifact_db"]


@pytest.mark.parametrize(
    ("file_format", "of"),
    [("mp4", "video"), ("webm", "video"), ("flac", "sound"), ("mp3", "sound"), ("default", "latent")],
)
def test_other_media_embed_the_graph_and_the_lineage(studio: Studio, file_format: str, of: str) -> None:
    source = studio.saved()
    graph = Graph()
    pictures = graph.load(artifact_id=source["id"])
    value = {
        "video": lambda: graph.add("CreateVideo", images=pictures, fps=8.0),
        "sound": graph.sound,
        "latent": lambda: graph.add("TestsLatent", seed=seed(), kind="float32"),
    }[of]()
    save = graph.save(value, format=file_format)
    (artifact_id,) = studio.run(graph, pnginfo={"workflow": WORKFLOW}).ids(save)
    embedded = tags(studio, artifact_id)
    prompt = json.loads(embedded["prompt"])
    for node in prompt.values():
        node.pop("is_changed", None)  # ComfyUI's own note
    assert prompt == graph
    assert json.loads(embedded["workflow"]) == WORKFLOW
    assert json.loads(embedded["artifact_db"]) == {
        "artifact_id": artifact_id,
        "workflow_id": studio.artifact(artifact_id)["workflow_id"],
        "inputs": [source["id"]] if of == "video" else [],
    }


def tags(studio: Studio, artifact_id: str) -> dict[str, str]:
    if studio.artifact(artifact_id)["file_type"] == "latent":
        data = studio.data(artifact_id)
        return dict(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"])
    with av.open(io.BytesIO(studio.data(artifact_id))) as container:
        found = {**container.metadata, **container.streams[0].metadata}
    return {key.lower(): value for key, value in found.items()}
