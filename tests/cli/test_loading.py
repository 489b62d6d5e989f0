"""No garbage is looked for among modules while they load, nor later."""

from __future__ import annotations

import gc
import subprocess
import sys

from imbtk.cli.loading import loading


def run_fresh(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_was_loaded_is_out_of_the_collectors_way() -> None:
    run_fresh(
        "import gc\nfrom imbtk.cli.loading import loading\nbefore = gc.get_freeze_count()\n"
        "with loading():\n    assert not gc.isenabled()\n    import numpy\n"
        "assert gc.isenabled() and gc.get_freeze_count() > before + 1000"
    )


def test_it_is_switched_on_again_when_something_cannot_be_loaded() -> None:
    run_fresh(
        "import gc\nfrom imbtk.cli.loading import loading\n"
        "try:\n    with loading(): import no_such_module\nexcept ImportError: pass\nassert gc.isenabled()"
    )


def test_a_process_that_has_modules_of_its_own_is_left_alone() -> None:
    import numpy  # noqa: F401

    before = gc.get_freeze_count()
    with loading():
        assert gc.isenabled()
    assert gc.get_freeze_count() == before


def test_a_dry_run_loads_torch_this_way() -> None:
    run_fresh(
        "import gc, sys\nwhile_loading = []\n"
        "def collected(phase, info):\n"
        "    if 'torch' in sys.modules and 'imbtk.pipeline.documents' not in sys.modules: while_loading.append(info)\n"
        "gc.callbacks.append(collected)\n"
        "from imbtk.cli.program import program\n"
        "try: program.main(['run', 'builtin:digits', '--dry-run', '--quiet'])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "assert 'torch' in sys.modules and not while_loading, len(while_loading)"
    )
