"""Case folders, and the answers to them."""
