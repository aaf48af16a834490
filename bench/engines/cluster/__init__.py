"""The engine that runs cells on a Ray cluster."""
