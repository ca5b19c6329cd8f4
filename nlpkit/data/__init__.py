"""Reading text data: files, folders and hub data sets."""
