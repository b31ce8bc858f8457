"""Workflow files: ours and other people's."""
