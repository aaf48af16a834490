"""Labelled images: how files of the usual forms are read, and how images become sequences of pixels."""
