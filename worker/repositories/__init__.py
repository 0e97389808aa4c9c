"""Code repositories, in local checkouts and on GitHub: their changes and their GOTCHA.md, as facts."""
