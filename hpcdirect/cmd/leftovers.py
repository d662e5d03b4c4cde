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

"""``hpcdirect-manage leftovers``: what is in a cloud and belongs to nobody.

Everything of ours carries our tag, and so does everything of another
installation in the same cloud. What this database knows as a cluster that was
deleted is ours, and may be swept. What it has never heard of may be somebody
else's, or younger than the backup the database came from: it is listed, and
swept only when it is named.

Nothing is swept that was not seen by an earlier run as well, some time ago: a
cloud is asked piece by piece, and what is just being made or deleted looks
like a leftover for a moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import json
import pathlib
import sys
import time
from typing import Any

from oslo_config import cfg

from hpcdirect import leftovers
from hpcdirect import plugins
from hpcdirect.backends.base import Backend
from hpcdirect.backends.base import Leftover
from hpcdirect.db.session import Database
from hpcdirect.exception import HPCDirectError

_LINE = '{0:10} {1:36} {2:10} {3:36} {4}'
#: In state_path: what was seen, and when first, in seconds since 1970.
_SEEN = 'leftovers.json'
_CONFIRM = 'Type {} to take them away: '


@dataclasses.dataclass(frozen=True)
class Found:
    """A leftover and what is known of it.

    :param known: its cluster was one of this database's and was deleted.
    :param age: seconds since it was first seen, by any run.
    """

    name: str
    what: Leftover
    known: bool
    age: float

    @property
    def key(self) -> str:
        """What it is remembered by."""
        one = self.what
        return ' '.join((self.name, one.project_id, one.kind, one.ref,
                         one.cluster_id))

    def named(self, names: Iterable[str]) -> bool:
        """Whether an operator named it, by its cluster or its reference."""
        return bool({self.what.cluster_id, self.what.ref} & set(names))

    def refused(self, conf: cfg.ConfigOpts) -> str:
        """Why it is not swept; '' when it is."""
        if self.named(conf.command.only):
            return ''
        if conf.command.only:
            return 'not named'
        if not self.known:
            return 'not known here'
        if self.age < conf.command.older_than:
            return f'first seen {self.age:.0f} s ago'
        return ''


def parser(subparsers: Any) -> None:
    """Make the command known."""
    one = subparsers.add_parser(
        'leftovers', help='list what clusters that are no more left behind',
        description='Lists it; with --sweep takes it away. What this '
        'database does not know as a deleted cluster of its own, such as '
        'what another installation made, is swept only with --only.')
    one.add_argument('--sweep', action='store_true',
                     help='take it away, after a question')
    one.add_argument('--only', action='append', default=[], metavar='ID',
                     help='just what has this cluster or reference, '
                     'whosever it is; may be given again')
    one.add_argument('--older-than', type=float, default=600.0,
                     metavar='SECONDS', help='leave alone what was seen '
                     'first less than so long ago (default: %(default)s)')
    one.add_argument('--max', type=int, default=20, metavar='NUMBER',
                     help='sweep nothing when it would be more than this '
                     '(default: %(default)s)')
    one.add_argument('--yes', action='store_true', help='ask nothing')


def run(conf: cfg.ConfigOpts) -> int:
    """List what is left, and sweep what may be; 1 when something failed."""
    backends = plugins.load(Backend, 'backends', conf.enabled_backends, conf)
    try:
        found, wrong = _look(conf, backends)
        for one in found:
            refused = one.refused(conf)
            print(_LINE.format(
                one.name, one.what.cluster_id or '-', one.what.kind,
                one.what.ref, refused or 'may be swept'))
        if conf.command.sweep:
            wrong |= _sweep(conf, backends, [
                one for one in found if not one.refused(conf)])
    finally:
        for backend in backends.values():
            backend.close()
    return wrong


def _look(conf: cfg.ConfigOpts, backends: Mapping[str, Backend]
          ) -> tuple[list[Found], int]:
    database = Database(conf)
    file = pathlib.Path(conf.state_path) / _SEEN
    seen = _seen(file)
    now, wrong, found = time.time(), 0, []
    for name, backend in backends.items():
        try:
            found += [Found(name, what, known, 0.0)
                      for what, known in leftovers.found(database, backend)]
        except HPCDirectError as exc:
            print(f'{name}: {exc}', file=sys.stderr)
            wrong = 1
    fresh = {one.key: min(seen.get(one.key, now), now) for one in found}
    try:
        draft = file.with_suffix('.new')
        draft.write_text(json.dumps(
            fresh if not wrong else {**seen, **fresh}))
        draft.replace(file)
    except OSError as exc:
        print(f'{file} cannot be written ({exc.strerror}); what was seen now '
              'is not remembered.', file=sys.stderr)
        wrong = 1
    return [dataclasses.replace(one, age=now - fresh[one.key])
            for one in found], wrong


def _seen(file: pathlib.Path) -> dict[str, float]:
    try:
        said = json.loads(file.read_text())
        return {str(key): float(at) for key, at in said.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _sweep(conf: cfg.ConfigOpts, backends: Mapping[str, Backend],
           found: list[Found]) -> int:
    if not found:
        print('Nothing to sweep.', file=sys.stderr)
        return 0
    if len(found) > conf.command.max:
        print(f'{len(found)} things are more than --max {conf.command.max}; '
              'nothing was swept.', file=sys.stderr)
        return 1
    if not conf.command.yes and not _confirmed(len(found)):
        print('Nothing was swept.', file=sys.stderr)
        return 1
    wrong = 0
    for one in found:
        try:
            backends[one.name].sweep(one.what)
        except HPCDirectError as exc:
            print(f'{one.what.kind} {one.what.ref}: {exc}', file=sys.stderr)
            wrong = 1
    return wrong


def _confirmed(number: int) -> bool:
    """Ask; who cannot be asked has not said yes."""
    word = f'sweep {number}'
    print(_CONFIRM.format(word), end='', file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == word
