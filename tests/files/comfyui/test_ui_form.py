"""What ComfyUI's front end saves opens as a graph of ours, with every value under its name."""

from __future__ import annotations

import json

import pytest

from studio.files.comfyui.to_workflow import ORIGIN, PLACEHOLDER
from studio.graph.flat import flatten
from studio.graph.graph import Mode, NodeId, Socket, SubgraphId
from studio.graph.spec import Catalog
from tests.files.comfyui.small import node, of_type, opened, text_to_picture, ui


def test_the_usual_graph_comes_over_whole_and_exactly() -> None:
    graph, report = opened(json.dumps(text_to_picture()))
    sampler, held = of_type(graph, "sample/Sample")
    assert held.parameters == {
        "seed": 156680208700286, "steps": 25, "guidance": 6.5, "sampler": "dpmpp_2m_sde", "schedule": "karras", "denoise": 0.9,
    }  # fmt: skip
    prompt = next(id for id, one in graph.nodes.items() if one.title == "Prompt")
    assert graph.links[Socket(sampler, "positive")] == Socket(prompt, "conditioning")
    assert graph.links[Socket(NodeId("decode"), "vae")] == Socket(NodeId("load_checkpoint"), "vae")
    assert of_type(graph, "model/LoadCheckpoint")[1].parameters == {"model": "sdxl/base.safetensors"}
    assert of_type(graph, "image/Save")[1].position == (1500.0, 200.0)
    assert len(graph.links) == 9
    assert (report.exact, report.defaulted, report.unmapped, report.notes) == (7, 0, 0, ())


def test_a_class_that_we_lack_keeps_its_values_wires_and_pack() -> None:
    plain = ui(
        [
            node(1, "LoadImage", ["a.png", "image"], outs=[["IMAGE", "IMAGE", [1]], ["MASK", "MASK", None]]),
            node(
                2, "FaceMender", ["soft", 0.5, [1, 2]], ins=[["image", "IMAGE", 1]], outs=[["IMAGE", "IMAGE", [2]], ["BBOX", "BBOX", []]],
                title="Mend faces", properties={"cnr_id": "face-pack", "ver": "1.2.3", "odd": {"a": 1}}, color="#233", shape=2,
            ),
            node(3, "SaveImage", ["x"], ins=[["images", "IMAGE", 2]]),
        ],
        [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"]],
    )  # fmt: skip
    graph, report = opened(json.dumps(plain))
    mender, held = of_type(graph, PLACEHOLDER + "FaceMender")
    assert held.parameters == {"value_1": "soft", "value_2": 0.5, "value_3": [1, 2]}
    assert (held.title, held.color) == ("Mend faces", "#223333")
    assert held.extra["sockets"] == {"inputs": [["image", "Image"]], "outputs": [["IMAGE", "Image"], ["BBOX", "BBOX"]]}
    assert held.extra[ORIGIN]["rest"]["properties"]["odd"] == {"a": 1}
    assert graph.links[Socket(NodeId("save"), "image")] == Socket(mender, "IMAGE")
    assert [(one.type, one.count, one.pack) for one in report.placeholders] == [("FaceMender", 1, "face-pack")]
    assert "FaceMender (face-pack)" in report.summary


@pytest.mark.parametrize(
    ("values", "steps", "defaulted"),
    [
        ([1, "fixed", 12, 5.0, "euler", "simple", 1.0], 12, ()),
        ([1, True, 12, 5.0, "euler", "simple", 1.0], 12, ()),
        ([1, 12, 5.0, "euler", "simple", 1.0], 12, ()),
        ([1, "fixed", 12, 5.0, "sample_euler"], 12, ("scheduler", "denoise")),
        ([1, "fixed", 12, 5.0, "euler", "simple", 1.0, "left over"], 12, ()),
    ],
    ids=["usual", "old control", "no control", "short", "long"],
)
def test_values_by_position_find_their_names(values: list[object], steps: int, defaulted: tuple[str, ...]) -> None:
    graph, report = opened(json.dumps(ui([node(1, "KSampler", values)])))
    held = of_type(graph, "sample/Sample")[1]
    assert (held.parameters["steps"], held.parameters["guidance"], held.parameters["sampler"]) == (steps, 5.0, "euler")
    assert report.defaulted == bool(defaulted)
    assert all(name in report.details[0] for name in defaulted)


def test_a_value_of_another_kind_is_told_and_never_shifted() -> None:
    graph, report = opened(
        json.dumps(ui([node(1, "KSampler", [1, "fixed", 12, "euler", 5.0, "simple", 1.0], title="Odd")]))
    )
    held = of_type(graph, PLACEHOLDER + "KSampler")[1]
    assert held.parameters["steps"] == 12
    assert held.parameters["cfg"] == 8.0
    assert held.extra[ORIGIN]["tail"] == [1, "fixed", 12, "euler", 5.0, "simple", 1.0]
    assert any("Odd" in note and "'cfg'" in note for note in report.notes)


def test_names_in_the_file_are_better_than_places() -> None:
    named = {
        "denoise": 0.4,
        "seed": 3,
        "control_after_generate": "fixed",
        "steps": 7,
        "cfg": 2.0,
        "sampler_name": "lcm",
        "scheduler": "simple",
    }
    graph, _ = opened(json.dumps(ui([node(1, "KSampler", [0, 0, 0], widgets_values_named=named)])))
    assert of_type(graph, "sample/Sample")[1].parameters["denoise"] == 0.4
    graph, _ = opened(
        json.dumps(
            ui([node(1, "VHS_VideoCombine", {"frame_rate": 24, "format": "video/h264-mp4", "videopreview": {}})])
        )
    )
    held = of_type(graph, PLACEHOLDER + "VHS_VideoCombine")[1]
    assert held.parameters == {"frame_rate": 24, "format": "video/h264-mp4"}


def test_branches_of_a_dynamic_combo_decide_what_follows() -> None:
    plain = ui([node(1, "ResizeImageMaskNode", ["scale longer dimension", 1280, "lanczos"])])
    graph, _ = opened(json.dumps(plain))
    values = next(iter(graph.nodes.values()))
    assert 1280 in values.parameters.values()


def test_inputs_are_found_by_name_where_slot_numbers_are_old() -> None:
    plain = ui(
        [
            node(1, "PrimitiveInt", [40, "fixed"], outs=[["INT", "INT", [5]]]),
            node(2, "KSampler", [1, "fixed", 12, 5.0], ins=[["model", "MODEL", None], ["steps", "INT", 5, "widget"]]),
        ],
        [[5, 1, 0, 6, 0, "INT"], [5, "1", "0", "2", 7, ["INT"]]],
    )  # fmt: skip
    graph, report = opened(json.dumps(plain))
    assert graph.links == {Socket(NodeId("sample"), "steps"): Socket(NodeId("whole"), "number")}
    assert any("not there" in note for note in report.notes)


def test_objects_for_positions_links_and_text_ids_are_read() -> None:
    plain = ui(
        [
            node("a", "LoadImage", ["x.png", "image"], outs=[["IMAGE", "IMAGE", [1]]], pos={"0": 12.5, "1": -3}),
            node("b", "ImageInvert", ins=[["image", "IMAGE", 1]]),
            None,
        ],
        [None, {"id": 1, "origin_id": "a", "origin_slot": 0, "target_id": "b", "target_slot": 0, "type": "IMAGE"}],
    )  # fmt: skip
    graph, report = opened(json.dumps(plain))
    assert of_type(graph, "image/Load")[1].position == (12.5, -3.0)
    assert graph.links == {Socket(NodeId("invert"), "image"): Socket(NodeId("load"), "image")}
    assert any("no node" in note for note in report.notes)


def test_reroutes_set_and_get_are_wires() -> None:
    plain = ui(
        [
            node(1, "LoadImage", ["x.png", "image"], outs=[["IMAGE", "IMAGE", [1]]]),
            node(2, "SetNode", ["picture"], ins=[["IMAGE", "IMAGE", 1]], outs=[["*", "*", None]]),
            node(3, "GetNode", ["picture"], outs=[["IMAGE", "IMAGE", [2]]]),
            node(4, "Reroute", ins=[["", "*", 2]], outs=[["", "IMAGE", [3]]]),
            node(5, "SaveImage", ["x"], ins=[["images", "IMAGE", 3]]),
        ],
        [[1, 1, 0, 2, 0, "IMAGE"], [2, 3, 0, 4, 0, "IMAGE"], [3, 4, 0, 5, 0, "IMAGE"]],
    )  # fmt: skip
    graph, report = opened(json.dumps(plain))
    flat = flatten(graph, Catalog.of(()))
    assert flat.nodes[NodeId("save")].inputs == {"image": Socket(NodeId("load"), "image")}
    assert report.unmapped == 0


@pytest.mark.parametrize(
    ("value", "kind", "type"),
    [
        (7, "INT", "number/Whole"),
        (0.5, "FLOAT", "number/Decimal"),
        (3, "FLOAT", "number/Decimal"),
        ("x", "STRING", "text/Text"),
        ("euler", "COMBO", "text/Text"),
    ],
)
def test_a_primitive_becomes_a_node_that_holds_its_value(value: object, kind: str, type: str) -> None:
    plain = ui(
        [
            node(1, "PrimitiveNode", [value, "fixed"], outs=[["value", kind, [1]]]),
            node(2, "Odd", [value], ins=[["thing", kind, 1, "widget"]]),
        ],
        [[1, 1, 0, 2, 0, kind]],
    )  # fmt: skip
    graph, _ = opened(json.dumps(plain))
    id, held = of_type(graph, type)
    assert list(held.parameters.values()) == [value]
    assert graph.links[Socket(NodeId("odd"), "thing")].node == id


def test_notes_groups_modes_and_view() -> None:
    plain = ui(
        [
            node(1, "Note", ["Read *me*"], title="Hint", color="#432"),
            node(2, "ImageInvert", mode=4, flags={"collapsed": True, "pinned": True}),
            node(3, "ImageInvert", mode=2),
            node(4, "MarkdownNote", ["# Big"]),
        ],
        groups=[{"title": "Step 1", "bounding": [10, 20, 300, 400], "color": "#3f789e", "font_size": 24, "id": 5}],
        extra={"ds": {"scale": 0.5, "offset": [100, 50]}, "frontendVersion": "1.49"},
    )
    graph, _ = opened(json.dumps(plain))
    notes = list(graph.notes.values())
    assert [one.text for one in notes] == ["Read *me*", "# Big"]
    assert (notes[0].color, notes[0].extra[ORIGIN]["title"]) == ("#443322", "Hint")
    frame = next(iter(graph.frames.values()))
    assert (frame.title, frame.position, frame.size, frame.color) == ("Step 1", (10.0, 20.0), (300.0, 400.0), "#3f789e")
    assert frame.extra[ORIGIN] == {"font_size": 24, "id": 5}
    assert [one.mode for one in graph.nodes.values()] == [Mode.BYPASSED, Mode.MUTED]
    assert graph.nodes[NodeId("invert")].collapsed


def test_a_bypassed_placeholder_hands_on_what_fits() -> None:
    plain = ui(
        [
            node(1, "LoadImage", ["x.png", "image"], outs=[["IMAGE", "IMAGE", [2]]]),
            node(2, "Unheard", ins=[["mask", "MASK", None], ["image", "IMAGE", 2]], outs=[["IMAGE", "IMAGE", [3]]], mode=4),
            node(3, "SaveImage", ["x"], ins=[["images", "IMAGE", 3]]),
        ],
        [[2, 1, 0, 2, 1, "IMAGE"], [3, 2, 0, 3, 0, "IMAGE"]],
    )  # fmt: skip
    graph, _ = opened(json.dumps(plain))
    flat = flatten(graph, Catalog.of(()))
    assert flat.nodes[NodeId("save")].inputs == {"image": Socket(NodeId("load"), "image")}


def subgraph(**instance: object) -> dict[str, object]:
    """Invert within a subgraph `Dark` of a sampler-like node with a promoted value, and a socket that leads straight through."""
    inner = {
        "id": "0f-uuid", "version": 1, "name": "Dark", "inputNode": {"id": -10}, "outputNode": {"id": -20},
        "inputs": [{"name": "image", "type": "IMAGE"}, {"name": "steps", "type": "INT"}, {"name": "idle", "type": "INT"}],
        "outputs": [{"name": "IMAGE", "type": "IMAGE"}, {"name": "same", "type": "IMAGE"}],
        "nodes": [
            node(1, "ImageInvert", ins=[["image", "IMAGE", 1]], outs=[["IMAGE", "IMAGE", [2]]]),
            node(2, "KSampler", [1, "fixed", 12, 5.0, "euler", "simple", 1.0], ins=[["steps", "INT", 4, "widget"]]),
        ],
        "links": [
            {"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 1, "target_slot": 0, "type": "IMAGE"},
            {"id": 2, "origin_id": 1, "origin_slot": 0, "target_id": -20, "target_slot": 0, "type": "IMAGE"},
            {"id": 3, "origin_id": -10, "origin_slot": 0, "target_id": -20, "target_slot": 1, "type": "IMAGE"},
            {"id": 4, "origin_id": -10, "origin_slot": 1, "target_id": 2, "target_slot": 0, "type": "INT"},
        ],
    }  # fmt: skip
    return ui(
        [
            node(1, "LoadImage", ["x.png", "image"], outs=[["IMAGE", "IMAGE", [1]]]),
            node(
                7, "0f-uuid", ins=[["image", "IMAGE", 1], ["steps", "INT", None, "widget"]],
                outs=[["IMAGE", "IMAGE", [2]], ["same", "IMAGE", [3]]], **instance,
            ),
            node(3, "SaveImage", ["x"], ins=[["images", "IMAGE", 2]]),
            node(4, "SaveImage", ["y"], ins=[["images", "IMAGE", 3]]),
        ],
        [[1, 1, 0, 7, 0, "IMAGE"], [2, 7, 0, 3, 0, "IMAGE"], [3, 7, 1, 4, 0, "IMAGE"]],
        definitions={"subgraphs": [inner]},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("instance", "steps"),
    [
        ({"widgets_values": [33]}, 33),
        ({"widgets_values": [33, 0.5], "properties": {"proxyWidgets": [["-1", "steps"], ["2", "cfg"]]}}, 33),
        ({"widgets_values": [], "properties": {"proxyWidgets": [["2", "cfg"]]}}, 12),
        ({"widgets_values_named": {"steps": 33}}, 33),
    ],
    ids=["positional", "proxies", "empty proxies", "named"],
)
def test_subgraphs_with_promoted_values_of_all_generations(instance: dict[str, object], steps: int) -> None:
    graph, report = opened(json.dumps(subgraph(**instance)))
    assert report.unmapped == 0
    definition = graph.subgraphs[SubgraphId("0f-uuid")]
    assert definition.title == "Dark"
    assert definition.extra[ORIGIN]["unlinked_inputs"] == [["idle", "INT"]]
    flat = flatten(graph, Catalog.of(()))
    inner = flat.nodes[NodeId("dark/sample")]
    assert inner.parameters["steps"] == steps
    assert inner.parameters["guidance"] == (0.5 if "0.5" in str(instance) else 5.0)
    assert flat.nodes[NodeId("save")].inputs == {"image": Socket(NodeId("dark/invert"), "image")}
    assert flat.nodes[NodeId("save_2")].inputs == {"image": Socket(NodeId("load"), "image")}


def test_an_old_group_node_is_a_subgraph_with_its_instances_values() -> None:
    body = {
        "nodes": [
            node(-1, "EmptyLatentImage", [64, 64, 1], outs=[["LATENT", "LATENT", []]], index=0),
            node(
                -1,
                "LatentUpscaleBy",
                ["nearest-exact", 1.5],
                ins=[["samples", "LATENT", None]],
                outs=[["LATENT", "LATENT", []]],
                index=1,
            ),
        ],
        "links": [[0, 0, 1, 0, 5, "LATENT"]],
        "external": [[1, 0, "LATENT"]],
    }
    plain = ui(
        [
            node(1, "workflow>Twice", [320, 256, 2, "nearest-exact", 3.0], outs=[["LATENT", "LATENT", [1]]]),
            node(2, "VAEDecode", ins=[["samples", "LATENT", 1], ["vae", "VAE", None]]),
        ],
        [[1, 1, 0, 2, 0, "LATENT"]],
        extra={"groupNodes": {"Twice": body}},
    )
    graph, report = opened(json.dumps(plain))
    assert report.unmapped == 0
    flat = flatten(graph, Catalog.of(()))
    assert flat.nodes[NodeId("twice/empty")].parameters == {"width": 320, "height": 256, "batch": 2}
    assert flat.nodes[NodeId("twice/scale")].parameters["factor"] == 3.0
    assert flat.nodes[NodeId("decode")].inputs == {"latent": Socket(NodeId("twice/scale"), "latent")}


def test_the_whole_class_name_is_taken_from_the_properties() -> None:
    graph, _ = opened(json.dumps(ui([node(1, "Mix  Match", [1], properties={"Node name for S&R": "Mix & Match"})])))
    of_type(graph, PLACEHOLDER + "Mix & Match")


def test_bom_and_bare_nan_are_no_obstacle() -> None:
    text = "\ufeff" + json.dumps(ui([node(1, "KSampler", [1, "fixed", 12, 5.0, "euler", "simple", float("nan")])]))
    assert "NaN" in text
    graph, _ = opened(text)
    assert "denoise" not in of_type(graph, "sample/Sample")[1].parameters


def test_a_seed_beyond_ours_is_folded_and_kept() -> None:
    graph, _ = opened(json.dumps(ui([node(1, "KSampler", [2**64 - 5, "fixed", 12, 5.0, "euler", "simple", 1.0])])))
    held = of_type(graph, "sample/Sample")[1]
    assert held.parameters["seed"] == 2**63 - 5
    assert held.extra[ORIGIN]["values"] == {"seed": 2**64 - 5}


def test_a_subgraph_that_contains_itself_opens_and_says_so_when_it_would_run() -> None:
    plain = subgraph()
    definition = plain["definitions"]["subgraphs"][0]  # type: ignore[index]
    definition["nodes"].append(node(9, "0f-uuid"))
    graph, report = opened(json.dumps(plain))
    assert any("contains itself" in note for note in report.notes)
    assert len(graph.subgraphs[SubgraphId("0f-uuid")].graph.nodes) == 4
