"""The command line, and everything that runs the other parts: on one machine with `whydown up`, or one by one."""
