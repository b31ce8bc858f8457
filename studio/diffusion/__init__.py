"""The torch library: families, schedules, samplers, guidance, denoising, previews, weights."""
