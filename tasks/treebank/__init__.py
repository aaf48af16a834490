"""What part-of-speech tagging needs: documents of a treebank, or generated ones."""
