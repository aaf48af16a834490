"""One cell, measured."""
