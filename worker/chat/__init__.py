"""Chat completions over OpenAI's SDK, as every provider of that protocol uses them."""
