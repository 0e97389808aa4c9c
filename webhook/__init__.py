"""The receiver: it takes alerts in, commits them, answers at once, and shows what came of them."""
