"""What named entity recognition needs: documents, windows, spans."""
