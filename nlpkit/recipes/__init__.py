"""One module per subcommand: its Config, build and run."""
