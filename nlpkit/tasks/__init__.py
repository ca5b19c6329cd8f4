"""One module per task, behind one small contract."""
