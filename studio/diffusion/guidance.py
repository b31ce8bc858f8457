"""Guidance: from the predictions for several conditionings to the one that is followed."""

from __future__ import annotations

import torch
from torch import Tensor

from studio.diffusion.denoise import Predictor
from studio.diffusion.model import Conditioned, LoadedModel


class Guided:
    """Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598) as a denoiser.

    prediction = negative + scale (positive - negative), in what the network predicts, both from one forward in the order
    (negative, positive), as diffusers does it; a family may have a rule of its own (`Family.guide`). Without a negative, or with
    scale 1, only the positive is evaluated.
    """

    def __init__(
        self,
        model: LoadedModel,
        predictor: Predictor,
        positive: Conditioned,
        negative: Conditioned | None = None,
        scale: float = 1.0,
    ) -> None:
        self._model = model
        self._predictor = predictor
        self._scale = scale
        self._conditionings = (positive,) if negative is None or scale == 1 else (negative, positive)

    @torch.no_grad()
    def prediction(self, model_input: Tensor, time: float) -> Tensor:
        """The guided raw prediction at an input and a time as the network takes them."""
        predictions = self._predictor(model_input, time, self._conditionings)
        if len(predictions) == 1:
            return predictions[0]
        negative, positive = predictions
        return self._model.family.guide(self._model, negative, positive, self._scale)

    @torch.no_grad()
    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        model = self._model
        output = self.prediction(model.prediction.model_input(x, sigma), model.noise.model_time(sigma))
        return model.prediction.denoised(x, sigma, output)
