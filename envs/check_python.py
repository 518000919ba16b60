"""Report what to install if this Python cannot make the environment. Runs on any Python from 3.6."""

import sys

OLDEST, NEWEST = (3, 11), (3, 13)


def complaint(version, has_venv):
    """Return what is missing for a Python of this version, with or without venv, as a message; None if nothing is."""
    major, minor = version[:2]
    if not OLDEST <= (major, minor) <= NEWEST:
        return (
            f"This is Python {major}.{minor}, but Python 3.11, 3.12 or 3.13 is needed: install one (Debian and Ubuntu: "
            "apt install python3 python3-venv), then name it: `make run PYTHON=python3.12`."
        )
    if not has_venv:
        return (
            f"This Python has no venv module: install it (Debian and Ubuntu: apt install python{major}.{minor}-venv), "
            "then run `make run` again."
        )
    return None


def can_make_environments():
    """Whether this Python can make an environment with pip."""
    try:
        import ensurepip
        import venv
    except ImportError:
        return False
    return bool(venv and ensurepip)


if __name__ == "__main__":
    sys.exit(complaint(sys.version_info, can_make_environments()))
