"""Models: one file each; see base.py."""
