"""`python -m aegan` is `aegan`."""

from aegan.cli.main import run

if __name__ == "__main__":
    run()
