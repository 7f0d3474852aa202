"""The garbage collector is paused while a program is loaded, and always restored afterwards."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ssmi.predict.garbage_collection import garbage_collection_paused


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    was_on = gc.isenabled()
    yield
    gc.unfreeze()
    (gc.enable if was_on else gc.disable)()


@pytest.mark.parametrize("on", [True, False])
def test_it_rests_inside_and_is_as_it_was_afterwards(on: bool) -> None:
    (gc.enable if on else gc.disable)()
    with garbage_collection_paused():
        assert not gc.isenabled()
        with garbage_collection_paused():
            pass
        assert not gc.isenabled()  # an inner pause does not end the outer one
    assert gc.isenabled() == on
    with pytest.raises(ValueError, match="broken"), garbage_collection_paused():
        raise ValueError("broken")
    assert gc.isenabled() == on


def test_what_was_loaded_is_not_looked_at_again() -> None:
    with garbage_collection_paused():
        kept = [[number] for number in range(5_000)]
    assert gc.get_freeze_count() >= len(kept)
    assert not any(one is kept for one in gc.get_objects())


def test_nothing_is_exempted_when_loading_fails() -> None:
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
