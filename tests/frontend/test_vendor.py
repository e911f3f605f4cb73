"""What is vendored is what the note says, byte for byte."""

import hashlib
import re

from frontend.web.templating import STATIC

VENDOR = STATIC / "vendor"
ROW = re.compile(r"^\| (\S+\.\w+) \| \S+ \| .+ \| ([0-9a-f]{64}) \|$", re.M)


def test_every_vendored_file_has_its_version_licence_and_checksum():
    said = dict(ROW.findall((VENDOR / "README.md").read_text()))
    scripts = {path.name for path in VENDOR.iterdir() if path.suffix in (".js", ".css")}
    assert set(said) == scripts
    for name, checksum in said.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == checksum
