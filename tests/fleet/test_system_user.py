"""Several shops and test workers may be the first on a machine at the same moment."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("useradd") is None,
    reason="only root makes a user for PostgreSQL, with useradd",
)
CHOOSE = """
import grp, pwd, sys
from fleet import system_user
system_user.NAME = sys.argv[1]
print("ready", flush=True)
sys.stdin.read()
lines = []
user = system_user.choose(lines.append)
grp.getgrnam(user)
print(pwd.getpwnam(user).pw_uid, len(lines))
"""


@pytest.fixture
def name() -> Iterator[str]:
    """A user that does not exist, before and after."""
    name = f"valerix-try-{os.getpid()}"
    yield name
    subprocess.run(["userdel", name], capture_output=True, check=False)


def test_several_first_starts_at_once_agree_on_one_user(name: str):
    command = [sys.executable, "-c", CHOOSE, name]
    several = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    assert {each.stdout.readline() for each in several} == {"ready\n"}
    for each in several:
        each.stdin.close()
        each.stdin = None
    results = [each.communicate(timeout=60)[0].split() for each in several]
    assert {int(uid) for uid, _ in results} == {pwd.getpwnam(name).pw_uid}
    assert sum(int(printed) for _, printed in results) == 1
