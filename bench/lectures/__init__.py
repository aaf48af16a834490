"""Pictures for lectures: what is worked out of stored cells and their models, and how it is drawn."""
