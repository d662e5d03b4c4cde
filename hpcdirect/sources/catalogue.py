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

"""All blueprints and elements there are, whichever source brings them."""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses
import logging
import threading
import time
from typing import TypeVar

from hpcdirect import exception
from hpcdirect.blueprints import folders
from hpcdirect.blueprints.folders import Parents
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Element
from hpcdirect.sources import base
from hpcdirect.sources.defaults import Defaults

LOG = logging.getLogger(__name__)

#: Seconds for which what was read is taken for what is there.
_FRESH = 1.0

T = TypeVar('T', Blueprint, Element)


@dataclasses.dataclass(frozen=True)
class Problem:
    """A blueprint or element that is there but cannot be used."""

    ref: base.Ref
    findings: tuple[exception.Finding, ...]


@dataclasses.dataclass
class _State:
    """What was read under one token; replaced as a whole.

    :param unread: something could not be read, whatever is in it; that may
        be otherwise at the next look, without any change.
    """

    token: tuple[str, ...] = ()
    blueprints: dict[str, list[Blueprint]] = dataclasses.field(
        default_factory=dict)
    elements: dict[str, list[Element]] = dataclasses.field(
        default_factory=dict)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    unread: bool = False


class Catalogue:
    """Finds blueprints and elements across sources, and remembers them.

    A broken one is a problem that is logged and listed; it does not keep
    the others from being used. Safe to be used by several threads.

    The sources are looked at once a second at most, by one thread; the
    others go on with what is known. So a change is seen after a second.

    :param defaults: those of the site, for every blueprint.
    """

    def __init__(self, sources: Iterable[base.Source],
                 defaults: Defaults | None = None) -> None:
        self._sources = tuple(sources)
        self._defaults = defaults or Defaults()
        self._lock = threading.Lock()
        self._state: _State | None = None
        self._look_at = 0.0

    def blueprints(self) -> list[Blueprint]:
        """The highest version of every blueprint, by name."""
        found = self._now().blueprints
        return [found[name][0] for name in sorted(found)]

    def blueprint(self, ref: str) -> Blueprint:
        """The blueprint of a ``name`` or ``name@version``.

        :raises NotFound: there is none.
        :raises Unread: it is there, and cannot be read just now.
        """
        state = self._now()
        return self._picked(state, 'Blueprint', state.blueprints, ref)

    def elements(self) -> list[Element]:
        """The highest version of every element, by name."""
        found = self._now().elements
        return [found[name][0] for name in sorted(found)]

    def element(self, ref: str) -> Element:
        """The element of a ``name`` or ``name@version``.

        :raises NotFound: there is none.
        :raises Unread: it is there, and cannot be read just now.
        """
        state = self._now()
        return self._picked(state, 'Element', state.elements, ref)

    def versions(self, name: str) -> list[str]:
        """The versions of a blueprint, the highest first."""
        return [one.version for one in self._now().blueprints.get(name, ())]

    def problems(self) -> list[Problem]:
        """What is there but broken."""
        return list(self._now().problems)

    @staticmethod
    def _picked(state: _State, kind: str, found: dict[str, list[T]], ref: str
                ) -> T:
        try:
            return _pick(kind, found, ref)
        except exception.NotFound:
            # What cannot be read for a moment must not pass for gone: work
            # would fail, and people would be told to delete their clusters.
            name, _ = folders.split(ref)
            if state.unread and (kind.lower(), name) in {
                    (one.ref.kind, one.ref.name) for one in state.problems}:
                raise exception.Unread(what=f'{kind} {name}') from None
            raise

    def _now(self) -> _State:
        """What the sources held a second ago at most."""
        state = self._state
        if state is not None and time.monotonic() < self._look_at:
            return state
        # Only who has nothing to go on with waits for another's look.
        if not self._lock.acquire(blocking=state is None):
            return state or self._now()
        try:
            return self._look()
        finally:
            self._lock.release()

    def _look(self) -> _State:
        """What the sources hold now; read again only when they changed."""
        if self._state is None or time.monotonic() >= self._look_at:
            token = tuple(source.watch_token() for source in self._sources)
            if self._state is None or self._state.unread \
                    or self._state.token != token:
                self._state = self._read(token)
            self._look_at = time.monotonic() + _FRESH
        return self._state

    def _read(self, token: tuple[str, ...]) -> _State:
        state = _State(token)
        for source in self._sources:
            for ref in source.list('element'):
                self._element(state, source, ref)
        _order(state.elements)
        self._blueprints(state)
        _order(state.blueprints)
        known = self._state.problems if self._state else ()
        for problem in state.problems:
            if problem in known:
                continue
            LOG.error(
                '%s %s cannot be used: %s', problem.ref.kind.capitalize(),
                problem.ref.name, '; '.join(map(str, problem.findings)))
        return state

    def _element(self, state: _State, source: base.Source, ref: base.Ref
                 ) -> None:
        try:
            _add(state.elements, source.load_element(
                ref.name, ref.version))
        except (exception.HPCDirectError, OSError) as exc:
            state.problems.append(_problem(ref, exc))
            state.unread |= isinstance(exc, OSError)

    def _blueprints(self, state: _State) -> None:
        """Read all of them; some are made from others."""
        def element(wanted: str) -> Element:
            return _pick('Element', state.elements, wanted)

        def read(place: tuple[base.Source, base.Ref],
                 above: base.Parents) -> Blueprint:
            source, ref = place
            return source.load_blueprint(ref.name, ref.version, element,
                                         above)

        places = [(source, ref) for source in self._sources
                  for ref in source.list('blueprint')]
        found = Parents({(place[1].name, place[1].version): place
                         for place in reversed(places)}, read)
        for place in places:
            ref = place[1]
            try:
                _add(state.blueprints, self._defaults.put(
                    read(place, found.of(ref.name, ref.version))))
            except (exception.HPCDirectError, OSError) as exc:
                state.problems.append(_problem(ref, exc))
                state.unread |= isinstance(exc, OSError)


def _add(found: dict[str, list[T]], one: T) -> None:
    """Keep one, unless an earlier source brought the same version."""
    known = found.setdefault(one.name, [])
    if one.version not in [other.version for other in known]:
        known.append(one)


def _order(found: dict[str, list[T]]) -> None:
    for known in found.values():
        known.sort(key=lambda one: folders.version_key(one.version),
                   reverse=True)


def _pick(kind: str, found: dict[str, list[T]], ref: str) -> T:
    for one in found.get(ref.partition('@')[0], ()):
        if ref in (one.name, f'{one.name}@{one.version}'):
            return one
    raise exception.NotFound(resource=kind, ident=ref, known=sorted(found))


def _problem(ref: base.Ref, exc: Exception) -> Problem:
    if isinstance(exc, exception.Invalid) and exc.findings:
        return Problem(ref, exc.findings)
    return Problem(ref, (exception.Finding(str(exc)),))
