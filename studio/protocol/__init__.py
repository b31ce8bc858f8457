"""The seam between window and worker."""
