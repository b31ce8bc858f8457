"""What lies on disk: models, outputs, the run queue, the database."""
