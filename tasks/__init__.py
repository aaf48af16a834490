"""Tasks: one file each; see base.py."""
