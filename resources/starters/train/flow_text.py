"""The picture starter's text encoder in the shape of the two that Stable Diffusion 3 has."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from train.loop import autocast

TOKENS = 32  # captions have at most 26; what is longer is cut


@dataclass(frozen=True, slots=True)
class Told:
    """What captions are to the transformer, float32: `states` (n, TOKENS, 256), the last layer's beside those of the layer before,
    without the final norm; and `pooled` (n, 256), the end token's state twice. `base_states` (n, 77, 128) are for the UNet."""

    states: Tensor
    pooled: Tensor
    base_states: Tensor


@torch.no_grad()
def tell(encoder: CLIPTextModel, ids: Tensor) -> Told:
    """Of token ids (n, 77). Attention is causal: tokens after the first TOKENS do not change them."""
    with autocast(ids.device):
        said = encoder(ids, output_hidden_states=True)
    states = torch.cat([said.hidden_states[-1], said.hidden_states[-2]], -1)[:, :TOKENS]
    pooled = said.pooler_output.float()
    return Told(states.float(), torch.cat([pooled, pooled], -1), said.last_hidden_state.float())


def both_encoders(encoder: CLIPTextModel) -> tuple[CLIPTextModelWithProjection, CLIPTextModelWithProjection]:
    """Two encoders whose last but one layers give the two halves of what `tell` gives.

    Pipelines of Stable Diffusion 3 take the last but one layer. The first encoder has one more, which adds nothing.
    """
    config = CLIPTextConfig.from_dict(encoder.config.to_dict() | {"projection_dim": encoder.config.hidden_size})
    second = CLIPTextModelWithProjection(config)
    second.text_model.load_state_dict(encoder.state_dict())
    nn.init.eye_(second.text_projection.weight)
    first = copy.deepcopy(second)
    idle = copy.deepcopy(first.text_model.encoder.layers[-1])
    for linear in (idle.self_attn.out_proj, idle.mlp.fc2):
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    first.text_model.encoder.layers.append(idle)
    first.config.num_hidden_layers = first.text_model.config.num_hidden_layers = len(first.text_model.encoder.layers)
    return first.eval(), second.eval()
