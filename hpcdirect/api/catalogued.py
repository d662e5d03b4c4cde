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

"""Lists of what is not in the database, by the page as those that are."""

from __future__ import annotations

from collections.abc import Iterable

from hpcdirect.db.paging import Listing
from hpcdirect.db.paging import Page
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.jsontypes import Object


def listing(entries: Iterable[Object], page: Page) -> Listing:
    """One page of entries, each with a name that no other has.

    :param page: its marker is a name.
    :raises Invalid: the marker is none of the entries.
    """
    rows = sorted(entries, key=lambda entry: str(entry['name']))
    for name, descends in reversed(page.sort):
        rows.sort(key=lambda entry: str(entry[name]), reverse=descends)
    names = [entry['name'] for entry in rows]
    if page.marker and page.marker not in names:
        raise Invalid([Finding(
            f'{page.marker} is no entry of this list; use the name of the '
            'last entry of the page before.', '$.marker')])
    begin = names.index(page.marker) + 1 if page.marker else 0
    kept = rows[begin:begin + page.limit]
    more = len(rows) > begin + len(kept)
    return Listing(kept, str(kept[-1]['name']) if kept and more else '')
