"""What the receiver and the workers both know: the domain's types, the settings, the tables, the store, the queue."""
