"""What a log's text says by itself: where a line begins, when it was written, how bad it is."""
