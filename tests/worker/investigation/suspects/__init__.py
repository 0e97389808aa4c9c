"""Which change broke it, if any did."""
