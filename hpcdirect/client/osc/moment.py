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

"""Times as they are written on a command line, the same everywhere."""

from __future__ import annotations

import datetime
import re

from osc_lib import exceptions

_UNITS = {'m': 'minutes', 'h': 'hours', 'd': 'days', 'w': 'weeks'}
#: For the help of options.
FORMS = ('in 90m, 12h, 30d or 2w; at 2027-01-31 or 2027-01-31T12:00 by the '
         'clock here; at 2027-01-31T12:00Z; or never')


def length(text: str) -> datetime.timedelta | None:
    """How long 90m, 12h, 30d or 2w is; None for anything else."""
    found = re.fullmatch(r'([0-9]{1,6})([mhdw])', text, re.ASCII)
    return found and datetime.timedelta(**{_UNITS[found[2]]: int(found[1])})


def parse(text: str) -> str | None:
    """A time, or how long until it, as ISO 8601 in UTC; None for never.

    A time without a zone is local time, where the command runs; a day alone
    is its beginning.

    :raises CommandError: it is not a time.
    """
    if text == 'never':
        return None
    soon = length(text)
    try:
        # astimezone() takes a time without a zone for local time.
        when = datetime.datetime.fromisoformat(text) if soon is None \
            else datetime.datetime.now(datetime.UTC) + soon
        return when.astimezone(datetime.UTC).strftime('%Y-%m-%dT%H:%M:%SZ')
    except (ValueError, OverflowError):
        raise exceptions.CommandError(
            f'{text} is not a time; write one of: {FORMS}') from None
