"""What a report shows of a store, worked out once."""
