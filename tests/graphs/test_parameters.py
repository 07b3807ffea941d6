"""The text that A1111 and many others embed says the same things as a graph."""

from __future__ import annotations

import pytest
from comfyui_artifact_db.graphs.parameters import describe

TEXT = """a cat, (masterpiece:1.2), <lora:fur:0.8>
on two lines
Negative prompt: a dog,
blurred
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 4141, Size: 512x768, \
Model hash: 6ce0161689, Model: v1-5, Denoising strength: 0.4, Lora hashes: "fur: 123, other: 456", Version: v1.9.0"""


def test_a_text_is_told() -> None:
    assert {name: one["value"] for name, one in describe(TEXT).items()} == {
        "prompt": "a cat, (masterpiece:1.2), <lora:fur:0.8>\non two lines",
        "negative_prompt": "a dog,\nblurred",
        **{"seed": 4141, "steps": 20, "cfg": 7.5, "denoise": 0.4, "sampler": "DPM++ 2M", "scheduler": "Karras"},
        "models": [{"name": "v1-5", "kind": "checkpoint"}],
        "loras": [{"name": "fur", "strength_model": 0.8, "strength_clip": 0.8}],
    }


def test_parts_may_be_missing() -> None:
    assert describe("a cat\nSteps: 3")["negative_prompt"] == {"state": "ok", "value": ""}
    assert describe("Negative prompt: x\nSteps: 3, Seed: many")["negative_prompt"]["value"] == "x"
    assert "seed" not in describe("a cat\nSteps: 3, Seed: many")


@pytest.mark.parametrize("text", ["", "a cat", "\n\n", "Steps are many", "x" * 300_000, "Steps: " * 40_000])
def test_what_is_no_such_text_says_nothing_or_little(text: str) -> None:
    assert set(describe(text)) <= {"prompt", "negative_prompt", "steps"}
    assert set(describe("a\n" + "A: b, " * 60_000 + "Steps: 1")) <= {"prompt", "negative_prompt", "steps"}
