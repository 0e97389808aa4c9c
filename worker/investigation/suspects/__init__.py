"""Which change broke it, if any did: candidates, what each edited, what the symptoms are, and how they fit together.

Pure. docs/ranking.md tells the whole path for an engineer who wants to argue with it.
"""
