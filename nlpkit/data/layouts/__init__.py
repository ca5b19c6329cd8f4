"""Layouts of annotation tools, and others that labelled rows come in; `registry.py` lists them."""
