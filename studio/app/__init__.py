"""The application without Qt: documents, actions, settings, session, recovery."""
