"""Measurements of the running system; `python -m bench` prints them, `README.md` keeps the figures."""
