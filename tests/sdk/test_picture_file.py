"""Picture files: what goes out comes back, turned upright, in sRGB; what is no picture is refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from studio.files.media import read_workflow_text
from studio.graph.errors import FileProblem
from studio.sdk.picture_file import read_picture, write_jpeg, write_png, write_webp

RNG = np.random.default_rng(1)


def saved(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_png_keeps_every_pixel(tmp_path: Path, channels: int) -> None:
    pixels = RNG.integers(0, 256, (5, 7, channels), dtype=np.uint8)
    file = io.BytesIO()
    write_png(file, pixels)
    np.testing.assert_array_equal(read_picture(saved(tmp_path / "a.png", file.getvalue())).to_uint8()[0], pixels)


def test_a_png_carries_the_workflow_where_opening_a_file_finds_it(tmp_path: Path) -> None:
    file = io.BytesIO()
    write_png(file, np.zeros((2, 2, 3), np.uint8), workflow='{"title": "Grün 🌿"}')
    assert read_workflow_text(saved(tmp_path / "a.png", file.getvalue())) == '{"title": "Grün 🌿"}'


def test_jpeg_and_webp_are_close_and_a_webp_of_quality_100_is_exact(tmp_path: Path) -> None:
    smooth = np.repeat(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    for write, suffix in ((write_jpeg, ".jpg"), (write_webp, ".webp")):
        file = io.BytesIO()
        write(file, smooth, 90)
        read = read_picture(saved(tmp_path / f"a{suffix}", file.getvalue())).to_uint8()[0].astype(int)
        assert np.abs(read - smooth).mean() < 3
    file = io.BytesIO()
    write_webp(file, smooth, 100)
    np.testing.assert_array_equal(read_picture(saved(tmp_path / "b.webp", file.getvalue())).to_uint8()[0], smooth)


def test_a_jpeg_of_a_transparent_picture_lies_on_black() -> None:
    file = io.BytesIO()
    write_jpeg(file, np.full((8, 8, 4), (255, 255, 255, 0), np.uint8))
    assert np.asarray(Pillow.open(io.BytesIO(file.getvalue()))).max() < 5


def test_pictures_are_turned_as_the_camera_was_held(tmp_path: Path) -> None:
    picture = Pillow.new("RGB", (4, 2), "black")
    picture.putpixel((0, 0), (255, 255, 255))
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turned by a quarter, clockwise
    picture.save(tmp_path / "a.png", exif=exif)
    read = read_picture(tmp_path / "a.png")
    assert read.size == (2, 4)
    assert read.pixels[0, 0, 1].tolist() == [1, 1, 1]


def test_colours_of_other_profiles_are_brought_to_srgb(tmp_path: Path) -> None:
    plain = Pillow.new("RGB", (2, 2), (200, 40, 40))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain.save(tmp_path / "same.png", icc_profile=srgb)
    assert read_picture(tmp_path / "same.png").to_uint8()[0, 0, 0] == pytest.approx([200, 40, 40], abs=1)
    plain.save(tmp_path / "broken.png", icc_profile=b"no profile")
    assert read_picture(tmp_path / "broken.png").to_uint8()[0, 0, 0].tolist() == [200, 40, 40]


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("1", 1, [1.0]),
        ("P", 0, None),
        ("LA", (255, 128), [1.0, 1.0, 1.0, 128 / 255]),
        ("CMYK", (0, 0, 0, 0), [1.0, 1.0, 1.0]),
        ("I;16", 65535, [1.0]),
        ("F", 0.25, [0.25]),
    ],
)
def test_other_modes_of_pictures_are_understood(
    tmp_path: Path, mode: str, color: int | float | tuple[int, ...], expected: list[float] | None
) -> None:
    path = tmp_path / ("a.tif" if mode in ("CMYK", "F") else "a.png")
    Pillow.new(mode, (3, 2), color).save(path)
    picture = read_picture(path)
    assert picture.size == (3, 2)
    if expected is not None:
        wanted = expected if picture.channels == len(expected) else expected * picture.channels
        assert picture.pixels[0, 0, 0] == pytest.approx(wanted, abs=1e-4)


def test_16_bits_stay_16_bits(tmp_path: Path) -> None:
    Pillow.fromarray(np.array([[12345, 12346]], dtype=np.uint16)).save(tmp_path / "a.png")
    first, second = read_picture(tmp_path / "a.png").pixels.ravel()
    assert second - first == pytest.approx(1 / 65535, rel=0.01)


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0 cut"])
def test_what_is_no_picture_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(FileProblem, match=r"a\.png"):
        read_picture(saved(tmp_path / "a.png", data))


def test_a_cut_off_picture_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    write_png(file, RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    with pytest.raises(FileProblem, match="damaged"):
        read_picture(saved(tmp_path / "a.png", file.getvalue()[:3000]))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"gone\.png.*cannot be read"):
        read_picture(tmp_path / "gone.png")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    header = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4)
    data = b"IHDR" + (100_000).to_bytes(4) + (100_000).to_bytes(4) + b"\x08\x02\0\0\0"
    import zlib

    path = saved(tmp_path / "a.png", header + data + zlib.crc32(data).to_bytes(4))
    with pytest.raises(FileProblem):
        read_picture(path)
