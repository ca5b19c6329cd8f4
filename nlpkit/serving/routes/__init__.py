"""What is asked over HTTP, and in which form it is answered: a file for each form."""
