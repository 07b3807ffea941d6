"""How an output was generated is told by the shape of nodes, whatever they are called, and never guessed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from comfyui_artifact_db.graphs.generation import agreed, describe
from comfyui_artifact_db.graphs.values import MAX_LETTERS
from hypothesis import given, settings
from hypothesis import strategies as st

Graph = dict[str, Any]
NAMES = ("prompt", "negative_prompt", "seed", "steps", "cfg", "sampler", "scheduler", "denoise", "models")


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def basic(**changed: Any) -> Graph:
    """The graph that everybody begins with."""
    sampler = {
        **{"seed": 7, "steps": 20, "cfg": 8.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0},
        **{"model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]},
        **changed,
    }
    return {
        "3": node("KSampler", **sampler),
        "4": node("CheckpointLoaderSimple", ckpt_name="sd15.safetensors"),
        "5": node("EmptyLatentImage", width=512, height=512, batch_size=1),
        "6": node("CLIPTextEncode", text="a cat", clip=["4", 1]),
        "7": node("CLIPTextEncode", text="a dog", clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", images=["8", 0], filename_prefix="ComfyUI"),
    }


def told(graph: Graph, node_id: str = "9") -> dict[str, Any]:
    """Fields that are certain by their values, the others by value and state."""
    found = describe(graph, node_id)
    return {
        name: one["value"] if one["state"] == "ok" else (one.get("value"), one["state"]) for name, one in found.items()
    }


SD15 = [{"name": "sd15.safetensors", "kind": "checkpoint"}]
BASIC = {
    **{"prompt": "a cat", "negative_prompt": "a dog", "seed": 7, "steps": 20, "cfg": 8.0, "sampler": "euler"},
    **{"scheduler": "normal", "denoise": 1.0, "models": SD15},
}


def test_the_graph_that_everybody_begins_with() -> None:
    assert told(basic()) == BASIC


def test_neither_ids_nor_classes_matter() -> None:
    text = json.dumps(basic())
    for old in ("3", "4", "5", "6", "7", "8", "9"):
        text = text.replace(f'"{old}"', f'"20:{old}{old}:1"')
    for old in ("KSampler", "CheckpointLoaderSimple", "CLIPTextEncode", "VAEDecode", "SaveImage"):
        text = text.replace(old, f"Somebodys{old[:3]}")
    assert told(json.loads(text), "20:99:1") == BASIC


def test_each_output_has_its_own() -> None:
    graph = basic()
    graph |= {f"1{key}": json.loads(json.dumps(one).replace('["', '["1')) for key, one in basic(seed=8).items()}
    graph["16"]["inputs"]["text"] = "a horse"
    assert told(graph)["seed"] == 7
    assert (told(graph, "19")["seed"], told(graph, "19")["prompt"]) == (8, "a horse")


def test_a_seed_that_readers_of_json_would_round_is_told_as_text() -> None:
    assert told(basic(seed=2**53 - 1))["seed"] == 2**53 - 1
    assert told(basic(seed=2**64 - 1))["seed"] == "18446744073709551615"


def test_what_was_not_generated_says_nothing() -> None:
    graph = {"1": node("LoadImage", image="a.png"), "2": node("SaveImage", images=["1", 0], filename_prefix="x")}
    assert describe(graph, "2") == {}
    assert describe(graph, "77") == {}
    assert describe({}, "1") == {}


# -- values that stand elsewhere


def test_values_come_from_primitives_and_reroutes() -> None:
    graph = basic(seed=["20", 0], steps=["21", 0], sampler_name=["23", 0])
    graph["6"]["inputs"]["text"] = ["22", 0]
    graph |= {
        "20": node("Seed (rgthree)", seed=99),
        "21": node("Reroute", **{"": ["24", 0]}),
        "22": node("PrimitiveStringMultiline", value="a bird"),
        "23": node("PrimitiveString", value="dpmpp_2m"),
        "24": node("PrimitiveInt", value=33),
    }
    assert told(graph) == {**BASIC, "seed": 99, "steps": 33, "prompt": "a bird", "sampler": "dpmpp_2m"}


def test_what_nodes_compute_is_not_known() -> None:
    graph = basic(seed=["20", 0], steps=["21", 0])
    graph["6"]["inputs"]["text"] = ["22", 0]
    graph |= {
        "20": node("ComfyMathExpression", expression="a+1", **{"values.a": 3}),
        "21": node("IntegerOfSomething", a=3, b=4),
        "22": node("AskALanguageModel", prompt="write about a cat", model="llm", seed=1),
    }
    unknown = (None, "unknown shape")
    assert told(graph) == {**BASIC, "seed": unknown, "steps": unknown, "prompt": unknown}


def test_texts_that_are_put_together() -> None:
    graph = basic()
    graph["6"]["inputs"]["text"] = ["20", 0]
    graph["20"] = node("StringConcatenate", string_a="a cat", string_b=["21", 0], delimiter=", ")
    graph["21"] = node("StringReplace", string="on a X", find="X", replace="roof")
    assert told(graph)["prompt"] == "a cat, on a roof"
    graph["21"] = node("AskALanguageModel", prompt="where is it", model="llm")
    assert told(graph)["prompt"] == ("a cat", "partial")


@pytest.mark.parametrize(("switch", "seed", "prompt"), [(True, 1, "yes"), (False, 2, "no")])
def test_of_a_switch_only_the_way_that_is_taken(switch: bool, seed: int, prompt: str) -> None:
    graph = basic(seed=["20", 0], positive=["21", 0])
    graph |= {
        "20": node("ComfySwitchNode", switch=["24", 0], on_true=["25", 0], on_false=["26", 0]),
        "21": node("ComfySwitchNode", switch=switch, on_true=["22", 0], on_false=["23", 0]),
        "22": node("CLIPTextEncode", text="yes", clip=["4", 1]),
        "23": node("CLIPTextEncode", text="no", clip=["4", 1]),
        "24": node("PrimitiveBoolean", value=switch),
        **{"25": node("PrimitiveInt", value=1), "26": node("PrimitiveInt", value=2)},
    }
    assert (told(graph)["seed"], told(graph)["prompt"]) == (seed, prompt)


def test_a_switch_of_which_nobody_knows_how_it_stands() -> None:
    graph = basic(positive=["21", 0])
    graph |= {
        "21": node("ComfySwitchNode", switch=["24", 0], on_true=["6", 0], on_false=["23", 0]),
        "23": node("CLIPTextEncode", text="no", clip=["4", 1]),
        "24": node("IsItMonday"),
    }
    assert told(graph)["prompt"] == ("a cat\nno", "partial")


def test_a_numbered_switch_and_one_that_takes_what_is_there() -> None:
    graph = basic(positive=["21", 0], negative=["22", 0])
    graph |= {
        "21": node("ImpactSwitch", select=2, sel_mode=False, input1=["7", 0], input2=["6", 0]),
        "22": node("Any Switch (rgthree)", any_02=["7", 0], any_03=["6", 0]),
    }
    assert told(graph) == BASIC


# -- prompts


def test_prompts_behind_what_steers_them() -> None:
    graph = basic(positive=["20", 0], negative=["20", 1])
    graph |= {
        "20": node(
            "ControlNetApplyAdvanced", positive=["21", 0], negative=["7", 0], control_net=["30", 0], strength=1.0
        ),
        "21": node("ConditioningSetTimestepRange", conditioning=["22", 0], start=0.0, end=1.0),
        "22": node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["23", 0]),
        "23": node("CLIPTextEncodeSDXL", text_g="wide", text_l="near", clip=["4", 1], width=1024),
        "30": node("ControlNetLoader", control_net_name="depth.safetensors"),
    }
    models = [*SD15, {"name": "depth.safetensors", "kind": "controlnet"}]
    assert told(graph) == {**BASIC, "prompt": "a cat\nwide\nnear", "models": models}


@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("swapped", [False, True])
def test_prompts_behind_nodes_that_pass_on_both_are_not_mixed_up(first: int, swapped: bool) -> None:
    outputs = (first + 1, first) if swapped else (first, first + 1)
    graph = basic(positive=["20", outputs[0]], negative=["20", outputs[1]])
    graph["20"] = node("WanInfiniteTalkToVideo", model=["4", 0], positive=["6", 0], negative=["7", 0], vae=["4", 2])
    found = told(graph)
    expected = ("a dog", "a cat") if swapped else ("a cat", "a dog")
    assert (found["prompt"], found["negative_prompt"]) == expected


def test_one_output_alone_of_a_node_that_gives_out_something_else_first_is_not_certain() -> None:
    graph = basic(positive=["20", 1])
    graph["20"] = node("WanInfiniteTalkToVideo", model=["4", 0], positive=["6", 0], negative=["7", 0])
    assert told(graph)["prompt"] == ("a cat", "partial")


def test_a_conditioning_that_is_zeroed_out_says_nothing() -> None:
    graph = basic(negative=["20", 0])
    graph["20"] = node("ConditioningZeroOut", conditioning=["6", 0])
    assert told(graph) == {name: value for name, value in BASIC.items() if name != "negative_prompt"}


def test_one_node_that_encodes_both_prompts() -> None:
    graph = basic()
    for name in ("positive", "negative", "model", "sampler_name", "denoise"):
        del graph["3"]["inputs"][name]
    graph["3"]["inputs"] |= {"text_embeds": ["6", 0], "model": ["4", 0]}
    graph["6"] = node("WanVideoTextEncode", positive_prompt="sea", negative_prompt="land", t5=["4", 1])
    found = told(graph)
    assert (found["prompt"], found["negative_prompt"], found["scheduler"]) == ("sea", "land", "normal")


def test_a_prompt_behind_a_node_that_nobody_knows_cannot_be_told() -> None:
    graph = basic(positive=["20", 0])
    graph["20"] = node("ConditioningOutOfThinAir", strength=1.0)
    assert told(graph) == {**BASIC, "prompt": (None, "unknown shape")}


def test_an_empty_negative_prompt_is_told_as_it_is() -> None:
    graph = basic()
    graph["7"]["inputs"]["text"] = ""
    assert told(graph) == {**BASIC, "negative_prompt": ""}


# -- samplers


def flux() -> Graph:
    return {
        "6": node("CLIPTextEncode", text="a fox", clip=["11", 0]),
        "8": node("VAEDecode", samples=["13", 0], vae=["10", 0]),
        "9": node("SaveImage", images=["8", 0], filename_prefix="ComfyUI"),
        "10": node("VAELoader", vae_name="ae.safetensors"),
        "11": node("DualCLIPLoader", clip_name1="t5.safetensors", clip_name2="clip_l.safetensors", type="flux"),
        "12": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
        "13": node(
            "SamplerCustomAdvanced",
            **{"noise": ["25", 0], "guider": ["22", 0], "sampler": ["16", 0], "sigmas": ["17", 0]},
            latent_image=["27", 0],
        ),
        "16": node("KSamplerSelect", sampler_name="euler"),
        "17": node("BasicScheduler", model=["30", 0], scheduler="simple", steps=25, denoise=0.9),
        "22": node("BasicGuider", model=["30", 0], conditioning=["26", 0]),
        "25": node("RandomNoise", noise_seed=11),
        "26": node("FluxGuidance", guidance=3.5, conditioning=["6", 0]),
        "27": node("EmptySD3LatentImage", width=1024, height=1024, batch_size=1),
        "30": node("ModelSamplingFlux", model=["12", 0], max_shift=1.15, base_shift=0.5, width=1024, height=1024),
    }


def test_a_sampler_whose_settings_are_nodes() -> None:
    assert told(flux()) == {
        **{"prompt": "a fox", "seed": 11, "steps": 25, "guidance": 3.5, "sampler": "euler", "scheduler": "simple"},
        "denoise": 0.9,
        "models": [
            {"name": "ae.safetensors", "kind": "vae"},
            {"name": "flux1-dev.safetensors", "kind": "diffusion_model"},
            {"name": "t5.safetensors", "kind": "text_encoder"},
            {"name": "clip_l.safetensors", "kind": "text_encoder"},
        ],
    }


def test_nodes_that_stand_for_a_setting_are_named() -> None:
    graph = flux()
    graph["17"] = node("LTXVScheduler", steps=8, max_shift=2.05, base_shift=0.95, stretch=True, terminal=0.1)
    graph["16"] = node("SamplerEulerAncestral", eta=1.0, s_noise=1.0)
    graph["25"] = node("DisableNoise")
    found = told(graph)
    assert (found["scheduler"], found["sampler"], found["steps"]) == ("LTXVScheduler", "SamplerEulerAncestral", 8)
    assert "seed" not in found
    assert "denoise" not in found


def test_a_schedule_that_is_cut_says_its_whole_as_a_part() -> None:
    graph = flux()
    graph["13"]["inputs"]["sigmas"] = ["40", 1]
    graph["40"] = node("SplitSigmas", sigmas=["17", 0], step=10)
    found = told(graph)
    assert (found["steps"], found["denoise"], found["scheduler"]) == ((25, "partial"), (0.9, "partial"), "simple")


def test_a_schedule_that_is_written_out() -> None:
    graph = flux()
    graph["17"] = node("ManualSigmas", sigmas="1.0, 0.99, 0.5, 0.0")
    assert told(graph)["steps"] == 3


def test_a_guider_with_two_prompts_and_a_strength() -> None:
    graph = flux()
    graph["22"] = node("CFGGuider", model=["30", 0], positive=["6", 0], negative=["31", 0], cfg=4.0)
    graph["31"] = node("CLIPTextEncode", text="blurred", clip=["11", 0])
    found = told(graph)
    assert (found["prompt"], found["negative_prompt"], found["cfg"]) == ("a fox", "blurred", 4.0)


def test_two_samplers_in_a_row_that_share_their_settings() -> None:
    graph = basic()
    for key in ("seed", "denoise"):
        del graph["3"]["inputs"][key]
    graph["3"]["inputs"] |= {"add_noise": "disable", "noise_seed": 0, "latent_image": ["20", 0], "start_at_step": 10}
    first = {**graph["3"]["inputs"], "add_noise": "enable", "noise_seed": 5, "latent_image": ["5", 0]}
    graph["20"] = node("KSamplerAdvanced", **{**first, "end_at_step": 10, "model": ["21", 0]})
    graph["21"] = node("CheckpointLoaderSimple", ckpt_name="base.safetensors")
    found = told(graph)
    assert (found["seed"], found["steps"], found["prompt"]) == (5, 20, "a cat")
    assert {model["name"] for model in found["models"]} == {"sd15.safetensors", "base.safetensors"}


def test_a_second_sampler_that_differs_makes_a_field_partial() -> None:
    graph = basic(latent_image=["20", 0], denoise=0.5)
    graph["20"] = node("KSampler", **{**basic()["3"]["inputs"], "seed": 8, "steps": 30, "positive": ["21", 0]})
    graph["21"] = node("CLIPTextEncode", text="a house", clip=["4", 1])
    found = told(graph)
    assert (found["seed"], found["steps"], found["prompt"]) == ((7, "partial"), (20, "partial"), ("a cat", "partial"))
    assert (found["sampler"], found["cfg"]) == ("euler", 8.0)


def test_a_picture_that_was_sampled_to_steer_another_is_not_its_own() -> None:
    graph = basic(positive=["20", 0])
    graph["20"] = node("ControlNetApply", conditioning=["6", 0], control_net=["22", 0], image=["23", 0], strength=1.0)
    graph["22"] = node("ControlNetLoader", control_net_name="depth.safetensors")
    graph["23"] = node("VAEDecode", samples=["24", 0], vae=["4", 2])
    graph["24"] = node("KSampler", **{**basic()["3"]["inputs"], "seed": 555})
    assert told(graph)["seed"] == 7


def test_a_node_that_asks_a_service() -> None:
    graph = {
        "1": node("GeminiImage2Node", prompt=["3", 0], model="gemini-3-pro", seed=42, aspect_ratio="auto"),
        "2": node("SaveImage", images=["1", 0], filename_prefix="ComfyUI"),
        "3": node("PrimitiveStringMultiline", value="a poster"),
    }
    models = [{"name": "gemini-3-pro", "kind": "model"}]
    assert told(graph, "2") == {"prompt": "a poster", "seed": 42, "models": models}


# -- models and LoRAs


def test_loras_with_their_strengths() -> None:
    graph = basic(model=["20", 0])
    graph |= {
        "20": node("LoraLoader", lora_name="a.safetensors", strength_model=0.8, strength_clip=0.5, model=["21", 0]),
        "21": node("LoraLoaderModelOnly", lora_name=["30", 0], strength_model=["31", 0], model=["22", 0]),
        "22": node("Power Lora Loader (rgthree)", lora_1={"on": True, "lora": "c.safetensors", "strength": 0.3},
                   lora_2={"on": False, "lora": "off.safetensors", "strength": 1}, model=["23", 0]),
        "23": node("Stack", model=["4", 0], switch_1="On", lora_name_1="d.safetensors", model_weight_1=1.0,
                   clip_weight_1=0.9, switch_2="Off", lora_name_2="off.safetensors", lora_name_3="None"),
        "30": node("PrimitiveString", value="b.safetensors"),
        "31": node("PrimitiveFloat", value=0.25),
    }  # fmt: skip
    assert told(graph)["loras"] == [
        {"name": "a.safetensors", "strength_model": 0.8, "strength_clip": 0.5},
        {"name": "b.safetensors", "strength_model": 0.25, "strength_clip": None},
        {"name": "c.safetensors", "strength_model": 0.3, "strength_clip": None},
        {"name": "d.safetensors", "strength_model": 1.0, "strength_clip": 0.9},
    ]
    assert told(graph)["models"] == SD15


def test_a_strength_that_is_computed_is_not_told() -> None:
    graph = basic(model=["20", 0])
    graph["20"] = node("LoraLoaderModelOnly", lora_name="a.safetensors", strength_model=["21", 0], model=["4", 0])
    graph["21"] = node("ComfyMathExpression", expression="0.5*2")
    value = [{"name": "a.safetensors", "strength_model": None, "strength_clip": None}]
    assert told(graph)["loras"] == (value, "partial")


def test_a_model_whose_loader_nobody_knows() -> None:
    graph = basic(model=["20", 0])
    graph["20"] = node("ModelOutOfThinAir", which=3)
    assert told(graph)["models"] == (SD15, "partial")
    graph["4"] = node("AlsoThinAir")
    assert told(graph)["models"] == (None, "unknown shape")


# -- what all outputs of a graph say


def test_what_several_outputs_say_alike_is_told_and_the_rest_is_not() -> None:
    one, other = describe(basic(), "9"), describe(basic(seed=8), "9")
    assert agreed([one, {}, one]) == one
    assert agreed([one, other]) == {**one, "seed": {"state": "unknown shape"}}
    assert agreed([]) == {}


# -- graphs that are made to break it


def chain(length: int) -> Graph:
    """The basic graph with so many nodes between the sampler and its model, and as many reroutes before its prompt."""
    graph = basic(model=["m0", 0], positive=["r0", 0])
    for number in range(length):
        graph[f"m{number}"] = node("ModelSampling", model=[f"m{number + 1}", 0], shift=1.0)
        graph[f"r{number}"] = node("Reroute", **{"": [f"r{number + 1}", 0]})
    graph[f"m{length}"] = node("UNETLoader", unet_name="deep.safetensors")
    graph[f"r{length}"] = node("CLIPTextEncode", text="deep", clip=["4", 1])
    return graph


def test_a_graph_of_ten_thousand_nodes_is_told() -> None:
    found = told(chain(5000))
    assert found["prompt"] == "deep"
    assert {"name": "deep.safetensors", "kind": "diffusion_model"} in found["models"]


def test_a_graph_of_hundreds_of_thousands_of_nodes_is_told_as_far_as_it_is_walked() -> None:
    found = describe(chain(120_000), "9")
    assert all(one["state"] != "ok" for one in found.values())


def test_texts_that_double_with_every_node() -> None:
    graph = basic()
    graph["6"]["inputs"]["text"] = ["d0", 0]
    for number in range(200):
        both = [f"d{number + 1}", 0]
        graph[f"d{number}"] = node("StringConcatenate", string_a=both, string_b=both, delimiter="x" * 1000)
    graph["d200"] = node("PrimitiveString", value="y" * 1000)
    found = describe(graph, "9")
    assert found["prompt"]["state"] != "ok"
    assert len(found["prompt"].get("value", "")) <= MAX_LETTERS
    assert found["negative_prompt"] == {"state": "ok", "value": "a dog"}


@pytest.mark.parametrize("kind", ["ConditioningCombine", "ImpactSwitch"])
def test_a_node_with_a_hundred_thousand_inputs_that_is_asked_as_often(kind: str) -> None:
    graph = basic(positive=["20", 0])
    many = range(50_000)
    graph["20"] = node("ConditioningCombine", **{f"conditioning_{number}": ["21", number] for number in many})
    graph["21"] = node(kind, select=-1, **{f"conditioning_{number}": ["6", number] for number in many})
    assert describe(graph, "9")["prompt"].get("value", "a cat") == "a cat"


@pytest.mark.parametrize("name", ["model", "positive", "seed", "latent_image", "sampler_name"])
def test_a_circle_ends(name: str) -> None:
    graph = basic(**{name: ["20", 0]})
    graph["20"] = node("Reroute", **{"": ["21", 0]})
    graph["21"] = node(
        "Loop", model=["20", 0], positive=["20", 0], value=["20", 0], latent_image=["3", 0], clip=["9", 0]
    )
    assert set(describe(graph, "9")) >= {"steps", "cfg"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(st.data())
def test_any_graph_at_all_is_described(data: st.DataObject) -> None:
    graph = data.draw(st.sampled_from([basic(), flux()]))
    keys = [*graph, "9", "x"]
    for _ in range(data.draw(st.integers(1, 12))):
        here = graph[data.draw(st.sampled_from(sorted(graph)))]
        inputs = here.get("inputs") if isinstance(here, dict) else None
        link = st.tuples(st.sampled_from(keys), st.integers(-1, 3)).map(list)
        name = data.draw(
            st.sampled_from(sorted(inputs)) if isinstance(inputs, dict) and inputs else st.text(max_size=3)
        )
        if isinstance(inputs, dict):
            inputs[name] = data.draw(link | VALUES)
        elif isinstance(here, dict):
            here["inputs"] = data.draw(VALUES)
        if data.draw(st.integers(0, 9)) == 0:
            graph[data.draw(st.sampled_from(sorted(graph)))] = data.draw(VALUES)
    for one in describe(graph, "9").values():
        assert one["state"] in ("ok", "partial", "unknown shape")
        assert ("value" in one) == (one["state"] != "unknown shape")
