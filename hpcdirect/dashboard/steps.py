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

"""A plan, and how far it is, as one picture: a row a layer, a chip a step.

The same rows are drawn of a plan's steps, before anything happens, and of a
deployment's, while it goes on and when it is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hpcdirect.dashboard.templatetags import hpc

_VERBS = {
    'provision': gettext_lazy('make'), 'apply': gettext_lazy('put on'),
    'verify': gettext_lazy('prove'), 'drain': gettext_lazy('drain'),
    'resume': gettext_lazy('open again'), 'revert': gettext_lazy('take off'),
    'release': gettext_lazy('give back')}
#: Seconds until a page looks again: at what has moved already, and at what
#: is at rest.
SOON, REST = 0.2, 10.0


def pace(latest: Mapping[str, Any] | None, progress: Mapping[str, Any]
         ) -> tuple[bool, float]:
    """Whether a page follows a deployment, and when it first looks again.

    What has ended since the cluster was asked for is still followed: it is
    the first look that tells all of the page that it is over.

    :param latest: the deployment as the cluster tells of it, asked first.
    :param progress: the same, asked for after it.
    :returns: that, and seconds.
    """
    if not latest or latest['finished_at']:
        return False, REST
    return True, SOON if progress['finished_at'] else progress['poll_seconds']


@dataclasses.dataclass(frozen=True)
class StepChip:
    """A chip.

    :ivar key: id of the step; '' in a plan.
    :ivar verb: what is done, a word of the interface's language.
    :ivar status: of the API; '' in a plan.
    :ivar nodes: how many it is about, and how many of them are done.
    :ivar expected: seconds that it usually takes; None when nobody knows.
    :ivar used: seconds that it took, or has taken so far; None before.
    :ivar names: the nodes that matter now: those that failed, else those that
        are being worked on.
    """

    key: str
    verb: str
    status: str
    nodes: int
    done: int
    expected: float | None
    used: float | None
    names: tuple[str, ...]

    @property
    def fraction(self) -> float:
        """How much of it is done, 0 to 1."""
        return self.done / self.nodes if self.nodes else 0.0


@dataclasses.dataclass(frozen=True)
class Row:
    """A layer, or the machines themselves."""

    title: str
    steps: tuple[StepChip, ...]


def step(one: Mapping[str, Any]) -> StepChip:
    """A chip.

    :param one: a step of a plan, or of a deployment's progress.
    """
    planned = isinstance(one['nodes'], list)
    begun, over = map(hpc.moment, (one.get('started_at'),
                                   one.get('finished_at')))
    return StepChip(
        '' if planned else one['id'],
        str(_VERBS.get(one['kind'], one['kind'])),
        one.get('status', ''),
        len(one['nodes']) if planned else one['nodes'],
        one.get('done', 0),
        one.get('seconds') if planned else one.get('expected'),
        (over - begun).total_seconds() if begun and over else None,
        tuple(one.get('failed') or one.get('running') or ()))


def rows(steps: Iterable[Mapping[str, Any]]) -> list[Row]:
    """All steps, by what they are about, in the order of their first ones.

    Machines that are made and machines that are given back are two rows: they
    are the first and the last.
    """
    found: dict[str, list[StepChip]] = {}
    for one in steps:
        title = one['element'] or (
            _('machines') if one['kind'] == 'provision'
            else _('machines that go') if one['kind'] == 'release'
            else _('nodes'))
        found.setdefault(title, []).append(step(one))
    return [Row(title, tuple(steps)) for title, steps in found.items()]
