"""Models: one file each; `models.base.model` says what they share."""
