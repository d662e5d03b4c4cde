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

"""Elements tried out on throw-away nodes: what do they leave behind?

What a client needs is here, in plain values.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
from typing import Any

from hpcdirect.blueprints import grading
from hpcdirect.exception import HPCDirectError
from hpcdirect.exception import Invalid
from hpcdirect.trials.selection import Asked
from hpcdirect.trials.selection import Selection
from hpcdirect.trials.trial import Outcome
from hpcdirect.trials.trial import Session

__all__ = ('Asked', 'complaints', 'tried')


def tried(asked: Asked, say: Callable[[str], None]
          ) -> Iterator[dict[str, Any]]:
    """Try elements; how each trial went, as JSON has it.

    :param say: told what is done, a line at a time.
    :raises HPCDirectError: they cannot be tried, and why.
    """
    selection = Selection(asked)
    session = Session(selection.wishes(asked), selection.find, asked.compute,
                      say)
    with contextlib.closing(session.outcomes()) as outcomes:
        for outcome in outcomes:
            if asked.record:
                say(_recorded(outcome))
            yield view(outcome)


def view(outcome: Outcome) -> dict[str, Any]:
    """How a trial went, as JSON has it."""
    grade = outcome.grade
    return {
        'element': ', '.join(f'{one.name}@{one.version}'
                             for one in outcome.elements),
        'grade': grade.grade if grade else None,
        'passed': outcome.passed, 'failures': list(outcome.failures),
        'left': {role: list(lines) for role, lines in grade.left.items()
                 } if grade else {},
        'seconds': dict(grade.seconds) if grade else {},
        'packages': grade.packages if grade else 0,
        'mib': grade.mib if grade else 0.0,
        'data': list(grade.data) if grade else [],
        'with': list(grade.elements) if grade else [],
        'digest': grade.digest if grade else ''}


@contextlib.contextmanager
def complaints(kind: Callable[[str], Exception]) -> Iterator[None]:
    """Turn what is raised for people to read into the caller's own kind."""
    try:
        yield
    except Invalid as exc:
        raise kind('\n'.join(map(str, exc.findings)) or str(exc)) from exc
    except HPCDirectError as exc:
        raise kind(str(exc)) from exc


def _recorded(outcome: Outcome) -> str:
    (element,) = outcome.elements
    if outcome.grade is None or outcome.failures:
        return (f'{element.name}: nothing is recorded of a trial in which '
                'something failed')
    try:
        grading.write(element.folder, outcome.grade)
    except OSError as exc:
        return f'{element.name}: the grade cannot be recorded: {exc}'
    return f'{element.name}: {outcome.grade.grade} is recorded'
