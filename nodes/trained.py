"""What a model's file does not say of its training."""

from __future__ import annotations

from typing import Final, Literal

from nodes.steered import TRAINED
from studio.diffusion.prediction import Prediction
from studio.sdk import Model, Number, Toggle, node

_AS_STATED: Final = "as the file says"


@node(
    "model/Trained",
    title="Trained as",
    aliases=("v-prediction", "zsnr", "shift", "ModelSamplingDiscrete", "ModelSamplingSD3", "ModelSamplingAuraFlow"),
)
def trained_as(
    model: Model,
    prediction: Literal["as the file says", "epsilon", "v_prediction", "sample"] = "as the file says",
    zero_terminal: bool = Toggle(False),
    shift: float = Number(0.0, 0, 100),
) -> Model:
    """Say how a model was trained, where its file does not or is wrong. A picture of pure noise, or burnt colours, is a sign of it.

    Args:
        model: The denoising network.
        prediction: What it predicts. Single files are taken to predict noise (epsilon), or v where they say so; one-step
            Lightning predicts the sample.
        zero_terminal: Its last training step was pure noise ("zero terminal SNR"), as in many models that predict v.
        shift: For flow models: more than the model's own spends more steps on the composition, less on details. 0 leaves it as it is.
    """
    stated = None if prediction == _AS_STATED else Prediction(prediction)
    return model.with_options(
        **{TRAINED: {"prediction": stated, "zero_terminal": zero_terminal, "shift": shift or None}}
    )
