"""Using OpenVINO tells nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sct_deepseg_general.errors import BackendError
from sct_deepseg_general.inference.openvino import import_openvino

OURS = (
    "from sct_deepseg_general.inference.openvino import import_openvino; import_openvino().Core()"
)


def _left_at_home(code: str, home: Path) -> list[str]:
    """What a fresh process leaves in the home folder; OpenVINO keeps a client number there."""
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment | {"HOME": str(home)})
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


def test_importing_openvino_leaves_nothing_behind(tmp_path: Path) -> None:
    assert _left_at_home(OURS, tmp_path / "home") == []


def test_openvino_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendError, match="pip install openvino"):
        import_openvino()


def test_the_converter_is_loaded_when_it_is_asked_for() -> None:
    code = (
        "import sys\n"
        "from sct_deepseg_general.inference.openvino import import_openvino\n"
        "module = import_openvino()\n"
        "import_openvino()\n"
        "assert 'openvino.tools.ovc' not in sys.modules\n"
        "assert callable(module.convert_model)\n"
        "assert import_openvino() is module\n"
        "assert 'openvino.tools.ovc' in sys.modules\n"
        "assert not hasattr(module, 'no_such_thing')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_openvino_imported_by_someone_else_stays_as_it_is() -> None:
    code = (
        "import sys, openvino\n"
        "before = openvino.convert_model\n"
        "from sct_deepseg_general.inference.openvino import import_openvino\n"
        "assert import_openvino().convert_model is before\n"
        "assert sys.modules['openvino.tools.ovc'] is not None\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
