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
"""A time as people write it."""

from __future__ import annotations

import datetime
import re

from osc_lib import exceptions

_UNITS = {'m': 'minutes', 'h': 'hours', 'd': 'days', 'w': 'weeks'}


def parse(text: str) -> str | None:
    """A time, or how long until it, as ISO 8601 in UTC; None for never."""
    if text == 'never':
        return None
    soon = re.fullmatch(r'([0-9]{1,6})([mhdw])', text)
    if soon:
        there = datetime.datetime.now(datetime.UTC) + datetime.timedelta(
            **{_UNITS[soon[2]]: int(soon[1])})
        return there.replace(microsecond=0).isoformat()
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise exceptions.CommandError(
            f'{text} is no time; write 2027-01-31, 2027-01-31T12:00Z, 30d, '
            '12h, or never') from None
    if found.tzinfo is None:
        found = found.astimezone()
    return found.astimezone(datetime.UTC).isoformat()
