"""Engines run cells, on this machine or on a cluster: each has `run(jobs)`, an iterator of finished jobs."""
