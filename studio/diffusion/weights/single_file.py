"""A whole checkpoint in one file, in the original layout: .safetensors, or a pickle (.ckpt, .pt)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from studio.diffusion.weights.header import TensorInfo, read_header
from studio.diffusion.weights.unpickle import load_pickle
from studio.graph.errors import ModelUnreadable

PICKLES = (".ckpt", ".pt", ".pth", ".bin")


@dataclass(frozen=True, slots=True, eq=False)
class SingleFile:
    """A file whose header was read; a pickle has no header and is read whole."""

    path: Path
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]
    config: Path | None = None
    """Folder of component configs to use instead of the family's own, for models of unusual size."""
    tokenizer: Path | None = None
    """Folder of the tokenizer to use, instead of looking for one."""
    pickled: Mapping[str, Tensor] | None = None

    @classmethod
    def open(cls, path: Path, config: Path | None = None, tokenizer: Path | None = None) -> SingleFile:
        """Raises ModelUnreadable for a damaged file or a kind that we cannot read."""
        if path.suffix == ".safetensors":
            header = read_header(path)
            return cls(path, header.tensors, header.metadata, config, tokenizer)
        if path.suffix in PICKLES:
            weights = load_pickle(path)
            tensors = {name: TensorInfo("", tuple(tensor.shape)) for name, tensor in weights.items()}
            return cls(path, tensors, {}, config, tokenizer, weights)
        raise ModelUnreadable(
            path,
            f"Files of the kind '{path.suffix}' cannot be read.",
            mend="Known: .safetensors, .ckpt, .pt, and diffusers folders.",
        )

    def weights(self) -> dict[str, Tensor]:
        """All tensors, memory-mapped where the file allows it. Raises ModelUnreadable."""
        if self.pickled is not None:
            return dict(self.pickled)
        import safetensors
        from safetensors.torch import load_file

        try:
            return load_file(self.path)
        except (safetensors.SafetensorError, OSError) as error:
            raise ModelUnreadable(
                self.path, f"The weights cannot be read: {error}.", mend="Download the file again."
            ) from error
