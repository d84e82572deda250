"""``python -m kdl_cli``: the command ``kdl`` where no script is installed."""

from kdl_cli.main import main

if __name__ == "__main__":
    main()
