"""A whole checkpoint in one file, or the parts of one in several: .safetensors, .gguf, or a pickle (.ckpt, .pt)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from studio.diffusion.weights.gguf_file import gguf_weights, read_gguf
from studio.diffusion.weights.header import TensorInfo, read_header
from studio.diffusion.weights.unpickle import load_pickle
from studio.graph.errors import ModelUnreadable

SAFETENSORS = (".safetensors", ".sft")
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
    parts: tuple[Part, ...] = ()
    """Further files, whose tensors are used as if they were in this one."""

    @classmethod
    def open(cls, path: Path, config: Path | None = None, tokenizer: Path | None = None) -> SingleFile:
        """Raises ModelUnreadable for a damaged file or a kind that we cannot read."""
        suffix = path.suffix.casefold()
        if suffix in SAFETENSORS:
            header = read_header(path)
            _check_readable(path, header.tensors)
            tensors = {name: info for name, info in header.tensors.items() if not name.endswith(_SCALES)}
            return cls(path, tensors, header.metadata, config, tokenizer)
        if suffix == ".gguf":
            return cls(path, *read_gguf(path), config, tokenizer)
        if suffix in PICKLES:
            weights = load_pickle(path)
            tensors = {name: TensorInfo("", tuple(tensor.shape)) for name, tensor in weights.items()}
            return cls(path, tensors, {}, config, tokenizer, weights)
        raise ModelUnreadable(
            path,
            f"Files of the kind '{path.suffix}' cannot be read.",
            mend="Known: .safetensors, .gguf, .ckpt, .pt, and diffusers folders.",
        )

    def joined(self, others: Sequence[SingleFile]) -> SingleFile:
        """This file with text encoders and VAE out of others, in place of its own.

        Raises ModelUnreadable where one of them is neither, or two are the same.
        """
        parts: list[Part] = []
        for file in others:
            part = Part.of(file)
            if any(one.role == part.role for one in parts):
                raise ModelUnreadable(file.path, f"This is a second {part.role.title}.", mend="Leave one of them out.")
            parts.append(part)
        replaced = tuple(prefix for part in parts for prefix in part.role.replaces)
        own = {name: info for name, info in self.tensors.items() if not (replaced and name.startswith(replaced))}
        for part in parts:
            own.update((new, part.file.tensors[old]) for old, new in part.names.items())
        return replace(self, tensors=own, parts=tuple(parts))

    def holds(self, *prefixes: str) -> bool:
        """Whether there is a tensor whose name begins with one of these."""
        return any(name.startswith(prefixes) for name in self.tensors)

    def weights(self) -> dict[str, Tensor]:
        """All tensors, memory-mapped where the file allows it. Raises ModelUnreadable."""
        own = {name: tensor for name, tensor in self._own().items() if name in self.tensors}
        for part in self.parts:
            theirs = part.file.weights()
            own.update((new, theirs[old]) for old, new in part.names.items())
        return own

    def _own(self) -> Mapping[str, Tensor]:
        if self.pickled is not None:
            return self.pickled
        if self.path.suffix.casefold() == ".gguf":
            return gguf_weights(self.path)
        import safetensors
        from safetensors.torch import load_file

        try:
            weights: dict[str, Tensor] = load_file(self.path)
        except (safetensors.SafetensorError, OSError) as error:
            raise ModelUnreadable(
                self.path, f"The weights cannot be read: {error}.", mend="Download the file again."
            ) from error
        return _scaled(weights)


_SCALES = (".scale_weight", ".weight_scale", ".scale_input", ".input_scale", "scaled_fp8")
"""Endings of what stands beside float8 weights that are to be multiplied by a number each; inputs are not, here."""
_PACKED = {
    ".quant_state.bitsandbytes__nf4": "bitsandbytes NF4",
    ".quant_state.bitsandbytes__fp4": "bitsandbytes FP4",
    ".comfy_quant": "ComfyUI's mixed precision",
    ".qweight": "SVDQuant or GPTQ",
    ".weight_scale_2": "NVFP4",
}
"""Endings of names in files whose numbers are packed in a way that is not read."""


def _check_readable(path: Path, tensors: Mapping[str, TensorInfo]) -> None:
    """Raises ModelUnreadable for packed weights: read as they lie there they would be noise."""
    for name in tensors:
        for ending, title in _PACKED.items():
            if name.endswith(ending):
                raise ModelUnreadable(
                    path,
                    f"The weights are packed as {title}, which is not read.",
                    field=name,
                    mend="Choose a file of the model in float16, bfloat16 or float8, or a GGUF.",
                )


def _scaled(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights, those that have a scale beside them multiplied by it, without the scales. A layer at a time is copied."""
    plain = {name: one for name, one in weights.items() if not name.endswith(_SCALES)}
    for ending in _SCALES[:2]:
        for name, scale in weights.items():
            weight = name.removesuffix(ending) + ".weight"
            if name.endswith(ending) and weight in plain:
                plain[weight] = (
                    plain[weight].float() * scale.float().reshape(-1, *(1,) * (plain[weight].ndim - 1))
                ).bfloat16()
    return plain


@dataclass(frozen=True, slots=True)
class Role:
    """What a file that holds one component alone is for."""

    title: str
    mark: str
    """Name of a tensor that tells it, behind one of `prefixes`."""
    width: int | None
    """Last edge of that tensor, where it tells more."""
    prefixes: tuple[str, ...]
    place: str
    """What its tensors are called in a file that holds everything."""
    replaces: tuple[str, ...]


_CLIP = "text_model.embeddings.position_embedding.weight"
_CLIP_PREFIXES = (
    "",
    "text_encoders.clip_l.transformer.",
    "text_encoders.clip_g.transformer.",
    "cond_stage_model.transformer.",
)
ROLES = (
    Role("CLIP-L text encoder", _CLIP, 768, _CLIP_PREFIXES, "text_encoders.clip_l.transformer.",
         ("text_encoders.clip_l.", "cond_stage_model.", "conditioner.embedders.0.")),
    Role("CLIP-G text encoder", _CLIP, 1280, _CLIP_PREFIXES, "text_encoders.clip_g.transformer.",
         ("text_encoders.clip_g.", "conditioner.embedders.1.")),
    Role("T5 text encoder", "encoder.block.0.layer.0.SelfAttention.q.weight", None, ("", "text_encoders.t5xxl.transformer."),
         "text_encoders.t5xxl.transformer.", ("text_encoders.t5xxl.",)),
    Role("VAE", "decoder.conv_in.weight", None, ("", "first_stage_model.", "vae."), "first_stage_model.",
         ("first_stage_model.", "vae.")),
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A file that holds one component, and what its tensors are called in a file that holds everything."""

    file: SingleFile
    role: Role
    names: Mapping[str, str]

    @classmethod
    def of(cls, file: SingleFile) -> Part:
        """Raises ModelUnreadable for a file that holds no component that is known here."""
        for role in ROLES:
            for prefix in role.prefixes:
                found = file.tensors.get(prefix + role.mark)
                if found is not None and (role.width is None or found.shape[-1] == role.width):
                    own = (name for name in file.tensors if name.startswith(prefix))
                    return cls(file, role, {name: role.place + name.removeprefix(prefix) for name in own})
        raise ModelUnreadable(
            file.path,
            "This is neither a text encoder nor a VAE that is known here.",
            mend=f"Known: {', '.join(role.title for role in ROLES)}.",
        )
