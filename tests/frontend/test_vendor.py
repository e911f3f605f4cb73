"""What is vendored is what its README lists, byte for byte."""

import hashlib
import re

from frontend.web.templating import STATIC

VENDOR = STATIC / "vendor"
ROW = re.compile(r"^\| (\S+\.\w+) \| \S+ \| .+ \| ([0-9a-f]{64}) \|$", re.M)


def test_every_vendored_file_has_its_version_licence_and_checksum():
    listed = dict(ROW.findall((VENDOR / "README.md").read_text()))
    scripts = {path.name for path in VENDOR.iterdir() if path.suffix in (".js", ".css")}
    assert set(listed) == scripts
    for name, checksum in listed.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == checksum
