"""The investigation: whom to look at, what the lines amount to, what points at what. Pure: values in, values out."""
