"""The only package that sees Qt."""
