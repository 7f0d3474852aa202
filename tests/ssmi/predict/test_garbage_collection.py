"""The garbage collector is paused while a program is loaded, and always restored afterwards."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ssmi.predict.garbage_collection import garbage_collection_paused


@pytest.fixture(autouse=True)
def restore_garbage_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    yield
    gc.unfreeze()
    (gc.enable if was_enabled else gc.disable)()


@pytest.mark.parametrize("enabled", [True, False])
def test_collection_is_paused_inside_and_restored_afterwards(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    with garbage_collection_paused():
        assert not gc.isenabled()
        with garbage_collection_paused():
            pass
        assert not gc.isenabled()  # an inner pause does not end the outer one
    assert gc.isenabled() == enabled
    with pytest.raises(ValueError, match="broken"), garbage_collection_paused():
        raise ValueError("broken")
    assert gc.isenabled() == enabled


def test_loaded_objects_are_exempt_from_collection() -> None:
    with garbage_collection_paused():
        objects = [[number] for number in range(5_000)]
    assert gc.get_freeze_count() >= len(objects)
    assert not any(tracked is objects for tracked in gc.get_objects())


def test_nothing_is_exempt_when_loading_fails() -> None:
    """Runs in a separate process, because pytest's own objects change while it runs."""
    code = (
        "import gc\n"
        "from ssmi.predict.garbage_collection import garbage_collection_paused\n"
        "gc.unfreeze()\n"
        "try:\n    with garbage_collection_paused():\n        raise OSError\nexcept OSError: pass\n"
        "print(gc.get_freeze_count(), gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0 True\n"
