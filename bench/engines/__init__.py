"""Engines: where cells run. Each offers `run(cells) -> iterator of finished cells`."""
