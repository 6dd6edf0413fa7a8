"""The command line of embedkit: thin, one module per command, loaded when the command is used."""
