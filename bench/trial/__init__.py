"""What happens to one cell: its task and model are built, trained, tested, and recorded."""
