"""Examples, each a script; `looks` is how models look in all figures."""
