# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      https://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Nobody else does it meanwhile, nor what a killed service has left at work.

A service that is killed leaves programs behind that it has started, and one of
them may come to its end only when the next service has done the same again:
the machine that runs then would be without its network. So each has hold of
the locks that it was started under, and who comes after waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from concurrent import futures
import contextlib
import contextvars
import fcntl
import pathlib
import subprocess
from typing import Any
from typing import TypeVar

T = TypeVar('T')
S = TypeVar('S')

_HELD: contextvars.ContextVar[tuple[int, ...]] = contextvars.ContextVar(
    'held', default=())


@contextlib.contextmanager
def holding(path: pathlib.Path) -> Iterator[None]:
    """Hold a lock; wait until nobody else does, in any process.

    :param path: a file, which is made if need be.
    """
    with path.open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = _HELD.set((*_HELD.get(), lock.fileno()))
        try:
            yield
        finally:
            _HELD.reset(before)


def held(path: pathlib.Path) -> bool:
    """Whether somebody holds that lock just now."""
    with path.open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def run(argv: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """``subprocess.run`` of what has hold of our locks until it ends.

    What it prints is captured, as text.
    """
    return subprocess.run(argv, pass_fds=_HELD.get(), capture_output=True,
                          text=True, errors='replace', **options)


def innermost() -> int:
    """The lock taken last, to be the standard input of what stays.

    That lets go of it by closing it. No lock at all is /dev/null.
    """
    return (_HELD.get() or (subprocess.DEVNULL,))[-1]


def each(pool: futures.Executor, do: Callable[[T], S], items: Iterable[T]
         ) -> list[S]:
    """Do it with each, in the threads of a pool, under the locks we hold."""
    done = [pool.submit(contextvars.copy_context().run, do, item)
            for item in items]
    return [one.result() for one in done]
