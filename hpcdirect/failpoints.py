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

"""Places where a test can make the service die, stop or fail, by name.

Every commit to the database, every call of a plugin or of a cloud's client
and every message is passed twice: ``backend.ensure/before`` and
``backend.ensure/after``, ``db.run_writer.RunWriter.ended/before`` (everything
is written, nothing is committed) and ``/after``. :func:`failpoint` adds
places of their own in between.

The environment says what happens, and nothing costs anything without it:

``HPCDIRECT_FAILPOINT=PLACE [ACTION [MODULE:CLASS]]``
    What to do on the first time by that place. ``kill`` (if nothing is said)
    ends the process as hard as kill -9 does; ``stop`` stops it until somebody
    sends SIGCONT; ``error`` raises an exception, of the kind that fails there
    usually unless one is named. An error *after* a call is an answer that was
    lost.
``HPCDIRECT_FAILPOINT_ONCE=FILE``
    Only while the file is not there, which is made first, so that the
    service goes on when it is started again, or when the error is over.
``HPCDIRECT_FAILPOINT_LOG=FILE``
    Write down every place that is passed.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
import functools
import os
import pathlib
import pkgutil
import signal
import sys
from typing import Any
from typing import TypeVar

T = TypeVar('T')

#: What fails usually, by the part of a place's name before the first dot.
_ERRORS = {
    'backend': 'hpcdirect.exception:BackendUnavailable',
    'cloud': 'hpcdirect.exception:BackendUnavailable',
    'db': 'oslo_db.exception:DBConnectionError',
    'keystone': 'hpcdirect.exception:Unavailable',
    'rpc': 'oslo_messaging:MessagingException',
    'runner': 'hpcdirect.exception:RunnerError',
    'source': 'builtins:OSError',
}
#: Modules and functions that open a transaction for somebody else.
_OPENERS = ('contextlib', 'hpcdirect.db.session', 'oslo_db.api')
_OPENING = ('writing',)


@dataclasses.dataclass(frozen=True)
class _Armed:
    """What the environment says.

    :param error: the exception's class, ``module:name``; '' for the usual.
    :param once: a file that is made when it happens, or ''.
    :param log: a file where places are written down, or ''.
    """

    place: str
    action: str
    error: str
    once: str
    log: str

    def passed(self, place: str) -> None:
        """Do what is to be done at a place."""
        if self.log:
            with pathlib.Path(self.log).open('a') as file:
                file.write(f'{place}\n')
        if place == self.place and self._first():
            self._happen(place)

    def _first(self) -> bool:
        if not self.once:
            return True
        try:
            pathlib.Path(self.once).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def _happen(self, place: str) -> None:
        if self.action == 'error':
            raise _exception(place, self.error)
        os.kill(os.getpid(), {'kill': signal.SIGKILL,
                              'stop': signal.SIGSTOP}[self.action])


def _exception(place: str, error: str) -> Exception:
    kind = pkgutil.resolve_name(error or _ERRORS[place.partition('.')[0]])
    said = f'failpoint {place}'
    made: Exception = kind(plugin='test', reason=said) \
        if kind.__module__ == 'hpcdirect.exception' else kind(said)
    return made


def _read(environ: Mapping[str, str]) -> _Armed | None:
    said = environ.get('HPCDIRECT_FAILPOINT', '').split()
    log = environ.get('HPCDIRECT_FAILPOINT_LOG', '')
    if not said and not log:
        return None
    place, action, error = [*said, '', '', ''][:3]
    return _Armed(place, action or 'kill', error,
                  environ.get('HPCDIRECT_FAILPOINT_ONCE', ''), log)


#: What is to happen; None in every process but a test's.
armed: _Armed | None = _read(os.environ)


def arm(environ: Mapping[str, str]) -> None:
    """Set what is to happen, in a process that has begun already.

    :param environ: the variables above.
    """
    global armed
    armed = _read(environ)


def failpoint(place: str) -> None:
    """A place by itself."""
    if armed is not None:
        armed.passed(place)


def transaction() -> str:
    """Name of the transaction that is being opened, '' when nothing is set.

    It is named after the function that opens it.
    """
    if armed is None:
        return ''
    frame = sys._getframe(1)
    while (frame.f_globals.get('__name__') in _OPENERS
           or frame.f_code.co_name in _OPENING) and frame.f_back:
        frame = frame.f_back
    module = str(frame.f_globals.get('__name__')).rpartition('.')[2]
    return f'db.{module}.{frame.f_code.co_qualname}'


def calls(kind: type) -> list[str]:
    """Names of the public methods of a class."""
    return sorted({name for one in kind.__mro__ for name, value
                   in vars(one).items()
                   if not name.startswith('_') and callable(value)})


def watch(one: T, seam: str, kind: type | None = None) -> T:
    """Make a place before and after each call of an object's methods.

    :param seam: what their names begin with.
    :param kind: whose public methods; those of the object's own class
        without it.
    :returns: the object itself; nothing is done to it when nothing is set.
    """
    if armed is not None:
        for name in calls(kind or type(one)):
            setattr(one, name, _watched(getattr(one, name),
                                        f'{seam}.{name}'))
    return one


def _watched(method: Callable[..., Any], place: str) -> Callable[..., Any]:
    @functools.wraps(method)
    def called(*args: Any, **options: Any) -> Any:
        failpoint(f'{place}/before')
        found = method(*args, **options)
        failpoint(f'{place}/after')
        return found

    return called
