"""The torch library: families, schedules, samplers, guidance, denoising, previews, weights.

What a node calls, in the order of a run:

    weights.checkpoint.identify(path) -> Identified              what lies there, from headers alone
    weights.checkpoint.load_checkpoint(path, dtypes) -> Checkpoint(model, text_encoder, vae), on the CPU
    device.choose_device("auto"), device.choose_dtypes(device), device.move(part.modules, device)
    text_encoder.family.encode(text_encoder, prompts) -> Encoded(conditioned, tokens, window, cut)
    schedules.sigmas(name, model.noise, steps, denoise) -> sigmas
    sampling.sample(model, positive, negative, latent, sigmas, ...) -> Iterator[StepState]
    preview.with_previews(states, model.projection()) -> Iterator[(StepState, picture or None)]
    decode.decode(vae, latent) -> pictures; decode.encode(vae, pictures) -> latent

A family is a module in `families/`; adding one touches nothing else. Samplers know nothing of models, families nothing of samplers.
"""
