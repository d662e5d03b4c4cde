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

"""Tries elements out: on, right, on again, off, and what is left then?"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import datetime
import time
from typing import Any

from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.model import Grade
from hpcdirect.blueprints.model import VolumeUse
from hpcdirect.runners.base import Verb
from hpcdirect.trials import layout as layouts
from hpcdirect.trials.account import Played
from hpcdirect.trials.bed import Bed
from hpcdirect.trials.difference import FIXED
from hpcdirect.trials.difference import NOT_OF_IT
from hpcdirect.trials.difference import Remains
from hpcdirect.trials.difference import between
from hpcdirect.trials.layout import Layout
from hpcdirect.trials.layout import Wish
from hpcdirect.trials.snapshot import Snapshot
from hpcdirect.trials.stage import Stage

_MIB = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one trial went.

    :param elements: what was judged.
    :param grade: None when it did not come to a judgement; its digest is
        '' when several were judged together.
    :param failures: what went wrong, the first first; a sentence each.
    """

    elements: tuple[Element, ...]
    grade: Grade | None
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it is what an element is to be."""
        return (self.grade is not None and self.grade.grade == 'A'
                and not self.failures)


class Session:
    """Several trials, one after the other, on the same nodes.

    When something cannot be taken off, what follows gets new nodes.

    :param compute: compute nodes besides the one head.
    """

    def __init__(self, wishes: Sequence[Wish], find: layouts.Find,
                 compute: int, say: Callable[[str], None]) -> None:
        self._layouts = [layouts.plan(wish, find) for wish in wishes]
        self._elements = [wish.elements for wish in wishes]
        self._compute = compute
        self._say = say

    def outcomes(self) -> Generator[Outcome, None, None]:
        """Try one after the other; each is told when it is over.

        :raises BackendError: the nodes do not come up.
        :raises RunnerError: nothing can be played on them, or what another
            one stands on does not go on.
        """
        volumes: dict[str, VolumeUse] = {}
        for each in self._layouts:
            volumes |= each.volumes
        left = list(zip(self._layouts, self._elements, strict=True))
        while left:
            with Bed(self._compute, self._say) as bed:
                stage = Stage(bed, volumes.values())
                stage.boot(left[0][0], self._say)
                while left and not stage.spoilt:
                    layout, elements = left.pop(0)
                    trial = _Trial(stage, layout, elements, self._say)
                    yield trial.outcome()


class _Trial:
    """One trial on a stage."""

    def __init__(self, stage: Stage, layout: Layout,
                 elements: tuple[Element, ...], say: Callable[[str], None]
                 ) -> None:
        self._stage = stage
        self._layout = layout
        self._elements = elements
        self._say = say
        self._seconds: dict[str, float] = {}
        self._failures: list[str] = []

    def outcome(self) -> Outcome:
        """Play it all."""
        self._stage.lay(self._layout, self._say)
        self._stage.forget_downloads()
        before = self._look()
        if not self._put_on():
            self._take_off()  # what comes next is to have clean nodes
            return Outcome(self._elements, None, tuple(self._failures))
        packages, size = self._stage.downloads()
        if self._take_off():
            differences = {
                node: between(before[node], now, self._layout.data,
                              (*FIXED, *NOT_OF_IT, *self._layout.state))
                for node, now in self._look().items()}
            left = by_role(self._layout, self._stage.members(), differences)
            letter = 'C' if left else 'A'
        else:
            differences, left, letter = {}, {}, 'D'
        return Outcome(self._elements, Grade(
            grade=letter, left=left,
            digest=self._elements[0].digest if len(self._elements) == 1
            else '',
            data=tuple(sorted({path for one in differences.values()
                               for path in one.data})),
            nodes=_counted(self._stage.members().values()),
            elements=tuple(f'{one.name}@{one.version}'
                           for one in self._layout.below),
            parameters=self._parameters(),
            seconds=self._seconds, packages=packages,
            mib=round(size / _MIB, 1),
            operating_system=self._stage.operating_system(),
            tested_at=datetime.datetime.now(datetime.UTC).strftime(
                '%Y-%m-%dT%H:%M:%SZ')), tuple(self._failures))

    def _look(self) -> Mapping[str, Snapshot]:
        began = time.monotonic()
        found = self._stage.look(self._layout)
        self._say(f'{", ".join(self._layout.judged)}: snapshot: '
                  f'{time.monotonic() - began:.1f} s')
        return found

    def _put_on(self) -> bool:
        """Apply, verify and apply again; whether it was put on at all."""
        names = self._layout.judged
        on, right, again = self._stage.play(
            self._layout, (Verb.APPLY, names), (Verb.VERIFY, names),
            (Verb.APPLY, names))
        self._tell('apply', on)
        if on.failures:
            return False
        self._tell('verify', right)
        if again.whole:
            self._tell('again', again)
        if again.changed:
            self._failures.append(
                'Applied again, it is not to change anything; it did: '
                + '; '.join(again.changed[:5]) + '.')
        return True

    def _take_off(self) -> bool:
        """Revert; whether that went well."""
        names = self._layout.judged
        (off,) = self._stage.play(self._layout,
                                  (Verb.REVERT, reversed(names)))
        self._tell('revert', off)
        if off.failures:
            self._stage.spoilt = True
        return not off.failures

    def _tell(self, called: str, played: Played) -> None:
        """Keep how a verb went, and say it."""
        self._seconds[called] = round(played.seconds, 1)
        how = 'failed' if played.failures else (
            'right' if called == 'verify'
            else f'{len(played.changed)} changed')
        self._say(f'{", ".join(self._layout.judged)}: {called}: {how}, '
                  f'{played.seconds:.1f} s')
        self._failures += [_sentence(called, cause)
                           for cause in played.failures[:1]]

    def _parameters(self) -> dict[str, Any]:
        """Those that were given; with the element's name for several."""
        given = {name: dict(self._layout.given[name])
                 for name in self._layout.judged if self._layout.given[name]}
        return given if len(self._elements) > 1 else next(
            iter(given.values()), {})


def by_role(layout: Layout, members: Mapping[str, str],
            differences: Mapping[str, Remains]) -> dict[
                str, tuple[str, ...]]:
    """Role -> what stays on its nodes.

    What is on each node of a role is that role's; what is not on all nodes
    of any one role is told of every role that its node has.

    :param members: node -> group.
    """
    roles = {_role(use.element, role, layout): [
        node for node, group in members.items()
        if group in use.roles.get(role, ())]
        for use in layout.uses if use.element.name in layout.judged
        for role in use.roles}
    lines = {node: [str(change) for change in one.left]
             for node, one in differences.items()}
    whole = {role: set.intersection(*(set(lines[node]) for node in nodes))
             for role, nodes in roles.items() if nodes}
    left: dict[str, dict[str, None]] = {}
    for node, said in lines.items():
        own = [role for role, nodes in roles.items() if node in nodes]
        for line in said:
            of = [role for role in own if line in whole[role]] or own or [
                node]
            for role in of:
                left.setdefault(role, {})[line] = None
    return {role: tuple(said) for role, said in left.items()}


def _role(element: Element, role: str, layout: Layout) -> str:
    return role if len(layout.judged) == 1 else f'{element.name}.{role}'


def _counted(groups: Iterable[str]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for group in groups:
        counted[group] = counted.get(group, 0) + 1
    return counted


def _sentence(called: str, cause: Any) -> str:
    task = f', task "{cause.task}"' if cause.task else ''
    return f'{called} failed on {cause.node}{task}: {cause.message}'

