"""``python -m mediareview`` is the ``mediareview`` command."""

from mediareview.cli import main

main()
