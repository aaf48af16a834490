"""The records: what was asked, what one measurement is, what it gave."""
