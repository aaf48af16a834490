"""The way from a sweep to stored results: plan, corpora, leases, results."""
