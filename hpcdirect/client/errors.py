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

"""What went wrong, as text for people."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import re
from typing import Any

from hpcdirect.client import remedies

#: What could move the cursor or colour a terminal; nodes are not trusted.
_CONTROL = re.compile(
    r'\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f'
    # What turns the direction of text around, and other ends of a line.
    r'\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]')


def clean(text: object) -> str:
    """Text without anything that a terminal would act upon."""
    return _CONTROL.sub('', str(text))


def text(exc: Exception) -> str:
    """The API's detail and all its findings; without those, the error."""
    return said(getattr(exc, 'response', None)) or clean(str(exc))


def said(response: Any) -> str:
    """The API's detail and all its findings; '' when it says nothing."""
    return clean('\n'.join(_lines(response)))


def codes(exc: Exception) -> list[str]:
    """The API's codes for what went wrong, without ``hpcdirect.``."""
    response: Any = getattr(exc, 'response', None)
    try:
        errors = response.json()['errors']
        return [str(one['code']).removeprefix('hpcdirect.')
                for one in errors]
    except (AttributeError, KeyError, TypeError, ValueError):
        return []


def _lines(response: Any) -> Iterator[str]:
    try:
        errors = response.json()['errors']
        for error in errors:
            findings = error.get('findings') or []
            said = [f'  {one["where"]}: {one["message"]}' if one.get('where')
                    else f'  {one["message"]}' for one in findings]
            detail = str(error.get('detail') or '')
            if said and all(one['message'] in detail for one in findings):
                # The detail is the findings in a row.
                detail = ''
            yield (f'{error.get("title", "Error")} '
                   f'(HTTP {error.get("status")})'
                   f'{": " + detail if detail else ""}')
            yield from said
    except (AttributeError, KeyError, TypeError, ValueError):
        return


def failures(found: Iterable[Mapping[str, Any]], cluster: str
             ) -> Iterator[str]:
    """Why a deployment failed, where to read on, and what helps.

    :param cluster: the name or id of the cluster that it is of.
    """
    for one in found:
        where = ', '.join(
            f'{name} {one[name]}' for name in ('element', 'node', 'task')
            if one.get(name))
        yield clean(f'Failed: {where or one.get("step") or "deployment"}')
        for line in str(one.get('message') or one.get('code')
                        or '').splitlines():
            yield f'  {clean(line)}'
        if one.get('class') not in (None, '', 'unknown'):
            yield f'  Class: {clean(one["class"])}'
        if one.get('hint'):
            yield f'  Hint: {clean(one["hint"])}'
        if one.get('run_id'):
            yield f'  Log:  openstack hpc run log {clean(one["run_id"])}'
        for remedy in one.get('next') or ():
            yield f'  Next: {clean(remedies.command(cluster, remedy))}'
        for line in one.get('log') or ():
            yield f'    | {clean(line)}'
        if one.get('fine'):
            yield f'  Fine: {clean(_some(one["fine"]))}'


def _some(names: Sequence[str]) -> str:
    """The first eight names, and how many there are besides."""
    more = f' and {len(names) - 8} more' if names[8:] else ''
    return f'{", ".join(names[:8])}{more}'
