"""Wirelight: a desktop studio for diffusion models."""

__version__ = "0.1.0"
