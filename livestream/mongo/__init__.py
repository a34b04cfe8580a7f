"""MongoDB: the engine that settings name, and what Django's own applications need on it."""
