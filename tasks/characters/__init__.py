"""What the character language model needs: text and n-grams."""
