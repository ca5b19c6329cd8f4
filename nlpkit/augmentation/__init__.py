"""Changed copies of rows that keep their label: see the modules, and docs/how-to/augment.md."""
