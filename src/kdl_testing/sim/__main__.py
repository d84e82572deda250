import sys

from kdl_testing.sim.command import main

if __name__ == "__main__":
    sys.exit(main())
