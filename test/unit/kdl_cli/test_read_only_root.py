"""The operator's container has a read-only root file system and no directory for temporary files."""

import subprocess
import sys

WITHOUT_TEMPORARY_FILES = """
import tempfile
def refuse():
    raise FileNotFoundError(2, "No usable temporary directory found")
tempfile.gettempdir = tempfile._get_default_tempdir = refuse
import sys
from kdl_cli.main import main
sys.argv = ["kdl", "operator", "--help"]
main()
"""


def test_the_operator_starts_without_a_directory_for_temporary_files() -> None:
    ended = subprocess.run([sys.executable, "-c", WITHOUT_TEMPORARY_FILES], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "--leader-elect" in ended.stdout
