"""``python -m embedkit_cli``."""

from embedkit_cli.main import main

main()
