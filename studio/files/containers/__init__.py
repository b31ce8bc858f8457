"""Texts inside pictures, films, sounds and model files: what programs write there about how the file was made.

Each module reads one kind of file, and never more of it than its heads and texts. Whatever lengths and offsets a file states are
checked against what is there; counts are bounded, and what is packed is unpacked up to a limit.
"""
