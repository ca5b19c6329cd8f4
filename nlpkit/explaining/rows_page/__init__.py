"""The page of explained rows: HTML, CSS and a script, made of the records that files hold."""
