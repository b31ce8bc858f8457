"""Objects of diffusers, transformers and torch that carry no usable types."""

from __future__ import annotations

from typing import Any, TypeAlias

from torch import nn

Foreign: TypeAlias = Any
"""A config, tokenizer, scheduler or model output of a library without types."""


def config_of(module: nn.Module) -> Foreign:
    """The configuration that diffusers and transformers keep with a network."""
    return module.config
