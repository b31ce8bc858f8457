"""A workflow inside any kind of file opens; a damaged or hostile file gets a clear message at once."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.files.containers.reading import read_texts
from studio.files.workflow_file import read_workflow
from studio.graph.errors import WirelightError, WorkflowUnreadable
from tests.files.comfyui.small import of_type, text_to_picture
from tests.files.comfyui.test_api_form import API
from tests.files.containers import made

LAYOUT, RAN = json.dumps(text_to_picture()), json.dumps(API)
BOTH = {"prompt": RAN, "workflow": LAYOUT}
COMFY_EXIF = {0x0110: f"prompt:{RAN}", 0x010F: f"workflow:{LAYOUT}"}
SETTINGS = "a red house\nNegative prompt: blurry\nSteps: 30, Sampler: DPM++ 2M Karras, CFG scale: 6, Seed: 99, Size: 640x384, Model: base"
UTF16 = b"UNICODE\0" + SETTINGS.encode("utf-16-be")

FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "png": ("a.png", lambda: made.png(BOTH)),
    "png zTXt": ("a.png", lambda: made.png(BOTH, kind="zTXt")),
    "png iTXt": ("a.png", lambda: made.png(BOTH, kind="iTXt")),
    "webp": ("a.webp", lambda: made.webp(made.exif(COMFY_EXIF))),
    "avif": ("a.avif", lambda: made.avif(made.exif(COMFY_EXIF))),
    "jpeg": ("a.jpg", lambda: made.jpeg(made.exif(COMFY_EXIF, order=">"))),
    "mp4": ("a.mp4", lambda: made.mp4(BOTH)),
    "mp4 comment": ("a.mp4", lambda: made.mp4_comment(json.dumps(BOTH))),
    "mp4 comment in a comment": ("a.mp4", lambda: made.mp4_comment(json.dumps(json.dumps(BOTH)))),
    "webm": ("a.webm", lambda: made.webm(BOTH)),
    "webm comment": ("a.webm", lambda: made.webm({"comment": json.dumps(BOTH)})),
    "flac": ("a.flac", lambda: made.flac(BOTH)),
    "opus": ("a.opus", lambda: made.ogg(BOTH)),
    "mp3": ("a.mp3", lambda: made.mp3(BOTH)),
    "latent": ("a.latent", lambda: made.safetensors(BOTH)),
}


@pytest.mark.parametrize("case", FILES)
def test_a_comfyui_workflow_opens_out_of_every_kind_of_file(tmp_path: Path, case: str) -> None:
    name, make = FILES[case]
    path = tmp_path / name
    path.write_bytes(make())
    opened = read_workflow(path)
    assert opened.report is not None
    assert opened.report.program == "ComfyUI"
    sampler = of_type(opened.workflow.graph, "sample/Sample")[1]
    assert sampler.parameters["seed"] == 5
    assert of_type(opened.workflow.graph, "image/Save")[1].position == (1500.0, 200.0)


SETTINGS_FILES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a1111 png": ("a.png", lambda: made.png({"parameters": SETTINGS}), "AUTOMATIC1111"),
    "a1111 jpeg": ("a.jpg", lambda: made.jpeg(made.exif(comment=UTF16)), "AUTOMATIC1111"),
    "a1111 webp": ("a.webp", lambda: made.webp(made.exif(comment=b"UNICODE\0" + SETTINGS.encode("utf-16-le"))), "AUTOMATIC1111"),
    "a1111 text": ("a.txt", SETTINGS.encode, "AUTOMATIC1111"),
    "xmp": (
        "a.jpg",
        lambda: made.jpeg(
            xmp=f"<x:xmpmeta><exif:UserComment><rdf:Alt><rdf:li>{SETTINGS}</rdf:li></rdf:Alt></exif:UserComment></x:xmpmeta>".encode()
        ),
        "AUTOMATIC1111",
    ),
    "fooocus": (
        "a.png",
        lambda: made.png(
            {
                "parameters": json.dumps(
                    {
                        "prompt": "a red house", "negative_prompt": "blurry", "steps": 30, "guidance_scale": 6, "seed": "99",
                        "resolution": "(640, 384)", "sampler": "dpmpp_2m", "scheduler": "karras", "base_model": "base", "sharpness": 2,
                    }
                ),
                "fooocus_scheme": "fooocus",
            }
        ),
        "Fooocus",
    ),
    "swarm": (
        "a.png",
        lambda: made.png(
            {
                "parameters": json.dumps(
                    {
                        "sui_image_params": {
                            "prompt": "a red house", "negativeprompt": "blurry", "steps": 30, "cfgscale": 6.0, "seed": 99, "width": 640,
                            "height": 384, "sampler": "dpmpp_2m", "scheduler": "karras", "model": "base.safetensors",
                        }
                    }
                )
            }
        ),
        "SwarmUI",
    ),
    "novelai": (
        "a.png",
        lambda: made.png(
            {
                "Software": "NovelAI", "Description": "a red house",
                "Comment": json.dumps(
                    {
                        "uc": "blurry", "steps": 30, "scale": 6.0, "seed": 99, "width": 640, "height": 384, "sampler": "k_dpmpp_2m",
                        "noise_schedule": "karras",
                    }
                ),
            }
        ),
        "NovelAI",
    ),
    "invoke": (
        "a.png",
        lambda: made.png(
            {
                "invokeai_metadata": json.dumps(
                    {
                        "generation_mode": "txt2img", "positive_prompt": "a red house", "negative_prompt": "blurry", "width": 640,
                        "height": 384, "seed": 99, "cfg_scale": 6.0, "steps": 30, "scheduler": "dpmpp_2m_k",
                        "model": {"key": "k", "name": "base", "base": "sdxl"}, "loras": [],
                    }
                )
            }
        ),
        "InvokeAI",
    ),
    "invoke 2": (
        "a.png",
        lambda: made.png(
            {
                "sd-metadata": json.dumps(
                    {
                        "model_weights": "base",
                        "image": {
                            "prompt": [{"prompt": "a red house", "weight": 1.0}], "steps": 30, "cfg_scale": 6.0, "width": 640,
                            "height": 384, "seed": 99, "sampler": "dpmpp_2m_k",
                        },
                    }
                )
            }
        ),
        "InvokeAI",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SETTINGS_FILES)
def test_settings_of_other_programs_become_a_graph(tmp_path: Path, case: str) -> None:
    name, make, program = SETTINGS_FILES[case]
    path = tmp_path / name
    path.write_bytes(make())
    opened = read_workflow(path)
    assert opened.report is not None
    assert opened.report.program == program
    nodes = opened.workflow.graph.nodes
    sampler = of_type(opened.workflow.graph, "sample/Sample")[1].parameters
    expected = {"seed": 99, "steps": 30, "guidance": 6.0, "sampler": "dpmpp_2m", "schedule": "karras", "denoise": 1.0}
    assert sampler == expected
    texts = [one.parameters["text"] for one in nodes.values() if one.type == "text/EncodePrompt"]
    assert texts == ["a red house", "" if case == "invoke 2" else "blurry"]
    assert of_type(opened.workflow.graph, "latent/Empty")[1].parameters == {"width": 640, "height": 384}
    if case not in ("invoke 2", "novelai"):
        assert of_type(opened.workflow.graph, "model/LoadCheckpoint")[1].parameters == {"model": "base"}


def test_a_workflow_comes_before_the_settings_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(made.png({"parameters": SETTINGS, "workflow": LAYOUT}))
    opened = read_workflow(path)
    assert opened.report is not None
    assert opened.report.program == "ComfyUI"


def test_a_file_without_a_workflow_says_so(tmp_path: Path) -> None:
    for name, data in (
        ("a.png", made.png({})),
        ("a.mp3", made.mp3({"artist": "x"})),
        ("a.webp", made.webp(made.exif({0x0131: "x"}))),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(WorkflowUnreadable, match="carries no workflow"):
            read_workflow(tmp_path / name)


def circle() -> bytes:
    """Exif whose directories lead to themselves."""
    return (
        b"II*\0"
        + struct.pack("<IH", 8, 2)
        + struct.pack("<HHII", 0x8769, 4, 1, 8)
        + struct.pack("<HHII", 0x9286, 7, 2**31, 2**31)
        + b"\0" * 4
    )


HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "bomb": ("a.png", lambda: made.packed_bomb(200 * 2**20)),
    "exif circle": ("a.webp", lambda: made.webp(circle())),
    "endless box": ("a.mp4", lambda: made.box(b"ftyp", b"isom") + b"\0\0\0\1moov" + b"\xff" * 8 + b"\0" * 100),
    "boxes in boxes": ("a.mp4", lambda: made.box(b"ftyp", b"isom") + nested(200)),
    "many keys": (
        "a.mp4",
        lambda: made.mp4({"a": "b"}).replace(struct.pack(">II", 0, 1), struct.pack(">II", 0, 2**32 - 1)),
    ),
    "huge tag": ("a.mp3", lambda: b"ID3\3\0\0\x7f\x7f\x7f\x7f" + b"TXXX\xff\xff\xff\xff\0\0" + b"\3a\0b"),
    "huge head": ("a.safetensors", lambda: struct.pack("<Q", 2**31) + b"{" + b" " * 100),
    "many comments": ("a.flac", lambda: b"fLaC\x84" + (12).to_bytes(3) + struct.pack("<III", 0, 2**32 - 1, 2**32 - 1)),
    "endless xmp": ("a.jpg", lambda: made.jpeg(xmp=b"<workflow><prompt>" * 3000)),
    "ebml sizes": (
        "a.webm",
        lambda: (
            b"\x1a\x45\xdf\xa3\x80"
            + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
            + b"\x12\x54\xc3\x67\xff" * 500
        ),
    ),
    "tiny json bomb": ("a.png", lambda: made.png({"workflow": '{"a":' * 50_000 + "1" + "}" * 50_000})),
}


def nested(depth: int) -> bytes:
    held = made.box(b"udta", b"")
    for _ in range(depth):
        held = made.box(b"moov", held)
    return held


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_get_a_clear_message_soon(tmp_path: Path, case: str) -> None:
    name, make = HOSTILE[case]
    path = tmp_path / name
    path.write_bytes(make())
    with pytest.raises(WorkflowUnreadable, match=re.escape(str(path))):
        read_workflow(path)


ALL = [(name, make()) for name, make in FILES.values()] + [(name, make()) for name, make, _ in SETTINGS_FILES.values()]


@given(st.sampled_from(ALL), st.data())
@settings(max_examples=150, deadline=None)
def test_a_changed_or_cut_file_opens_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, whole: tuple[str, bytes], data: st.DataObject
) -> None:
    name, held = whole
    changed = bytearray(held)
    for _ in range(data.draw(st.integers(0, 6))):
        changed[data.draw(st.integers(0, len(held) - 1))] = data.draw(st.integers(0, 255))
    kept = bytes(changed[: data.draw(st.integers(0, len(held)))])
    path = tmp_path_factory.getbasetemp() / f"changed-{name}"
    path.write_bytes(kept)
    with suppress(WirelightError):
        read_workflow(path)


def test_other_files_are_no_containers(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    assert read_texts(tmp_path / "a.txt") is None
