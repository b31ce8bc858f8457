"""Arrays inside values: made read-only, packed for the disk, read back. numpy and torch alike; torch only where it is loaded already."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from studio.graph.errors import CodecError
from studio.sdk.storage import Array

if TYPE_CHECKING:
    import torch

_NUMPY: Final[Mapping[str, str]] = {
    "float64": "F64", "float32": "F32", "float16": "F16",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
_NAMES: Final[Mapping[str, str]] = {short: name for name, short in _NUMPY.items()}
_BFLOAT16: Final = "BF16"


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The array, read-only from now on. It is taken over, not copied, unless somebody else's array lies behind it."""
    base: object = array.base
    while isinstance(base, np.ndarray) and base.size == array.size:
        base.setflags(write=False)
        base = base.base
    if base is not None and not isinstance(base, bytes) and array.flags.writeable:
        array = array.copy()
    array.setflags(write=False)
    return array


def pack_array(array: NDArray[Any]) -> Array:
    """Shares memory with the array where that is in C order."""
    name = _NUMPY.get(array.dtype.name)
    if name is None:
        raise CodecError(f"Numbers of the type {array.dtype} cannot be stored.")
    whole = np.ascontiguousarray(array)
    data = whole.data.cast("B") if whole.size else b""
    return Array(name, tuple(array.shape), data)


def unpack_array(array: Array) -> NDArray[Any]:
    """Read-only; shares memory with the stored bytes. Raises `CodecError` where they do not fit the shape."""
    name = _NAMES.get(array.dtype)
    if name is None:
        raise CodecError(f"Numbers of the type {array.dtype} are not known.")
    numbers = np.frombuffer(array.data, dtype=name)
    if numbers.size != int(np.prod(array.shape, dtype=np.int64)):
        raise CodecError(f"{numbers.size} numbers do not fill the shape {array.shape}.")
    shaped = numbers.reshape(array.shape)
    shaped.setflags(write=False)
    return shaped


def pack_tensor(tensor: torch.Tensor) -> Array:
    """A copy on the CPU."""
    import torch

    whole = tensor.detach().cpu().contiguous()
    if whole.dtype == torch.bfloat16:
        return dataclasses.replace(pack_array(whole.view(torch.int16).numpy()), dtype=_BFLOAT16)
    return pack_array(whole.numpy())


def unpack_tensor(array: Array) -> torch.Tensor:
    """A tensor of its own on the CPU. Raises `CodecError`."""
    import torch

    if array.dtype == _BFLOAT16:
        whole = unpack_array(dataclasses.replace(array, dtype="I16"))
        return torch.from_numpy(whole.copy()).view(torch.bfloat16)
    return torch.from_numpy(unpack_array(array).copy())


def is_tensor(value: object) -> bool:
    """Whether it is a torch tensor; imports nothing to find out."""
    torch_module = sys.modules.get("torch")
    return torch_module is not None and isinstance(value, torch_module.Tensor)


def tensors_in(value: object) -> Iterator[torch.Tensor]:
    """All torch tensors of a value: in lists, mappings and the fields of dataclasses."""
    for one in _inside(value):
        if is_tensor(one):
            yield one  # type: ignore[misc]


def arrays_in(value: object) -> Iterator[NDArray[Any]]:
    """All numpy arrays of a value: in lists, mappings and the fields of dataclasses."""
    for one in _inside(value):
        if isinstance(one, np.ndarray):
            yield one


def _inside(value: object) -> Iterator[object]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        yield one
        kind: Any = type(one)
        if kind in _LEAVES:
            continue
        if isinstance(one, (list, tuple)):
            waiting.extend(one)
        elif isinstance(one, Mapping):
            waiting.extend(one.values())
        elif not isinstance(one, type):
            waiting.extend([getattr(one, name) for name in _fields(kind)])


_LEAVES: Final = frozenset({bool, int, float, str, type(None), np.ndarray})


@lru_cache(maxsize=1024)
def _fields(cls: type) -> tuple[str, ...]:
    """The names of a dataclass's fields; none for other classes."""
    return tuple(field.name for field in dataclasses.fields(cls)) if dataclasses.is_dataclass(cls) else ()


def map_tensors(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:  # noqa: ANN401 - any value
    """The value with each of its torch tensors changed; itself where it holds none."""
    if "torch" not in sys.modules:
        return value
    if is_tensor(value):
        return change(value)
    if type(value) in (list, tuple):
        changed = [map_tensors(one, change) for one in value]
        same = all(new is old for new, old in zip(changed, value, strict=True))
        return value if same else type(value)(changed)
    if isinstance(value, Mapping):
        mapped = {name: map_tensors(one, change) for name, one in value.items()}
        return value if all(mapped[name] is one for name, one in value.items()) else mapped
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        changes = {name: new for name, old in fields.items() if (new := map_tensors(old, change)) is not old}
        return dataclasses.replace(value, **changes) if changes else value
    return value
