"""``python -m realcluster``."""

from realcluster.main import main

main()
