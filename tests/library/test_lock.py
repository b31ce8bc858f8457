from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from studio.library.lock import FileLock

HOLDING = """
import sys, time
from pathlib import Path
from studio.library.lock import FileLock
print(FileLock(Path(sys.argv[1])).take(), flush=True)
time.sleep(60)
"""


def test_one_holder_at_a_time_within_a_process(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "new" / "lock"), FileLock(tmp_path / "new" / "lock")
    assert first.take()
    assert first.take()
    assert not second.take(0.05)
    first.release()
    assert second.take()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDING, tmp_path / "lock"], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    assert not FileLock(tmp_path / "lock").take()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with FileLock(tmp_path / "lock") as lock:
        assert lock.take()
