"""Phrases that tasks draw by a grammar, or read from a user's file."""
