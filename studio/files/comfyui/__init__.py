"""ComfyUI's workflow files: read into our graph, written in the form that its server takes."""
