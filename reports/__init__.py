"""Tables, figures and pages from a store alone; nothing here trains."""
