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

"""What a service has said, read for sentences that lack a word."""

import contextlib
import re
import sqlite3

# Signs that something was to stand between two marks and did not.
_HOLE = re.compile(r'[;:(]\s*[.;,)]|[.,]\s*;|[^./]\.\.(?=\s|$)|^\s*[.;:,]')
_SAID = (('clusters', 'status_reason'), ('deployments', 'reason'),
         ('steps', 'reason'), ('nodes', 'fault'))


def of(text):
    """Whether a sentence has one."""
    return bool(_HOLE.search(text))


def found(database):
    """The sentences with holes in a service's SQLite file."""
    with contextlib.closing(sqlite3.connect(
            f'file:{database}?mode=ro', uri=True)) as connection:
        return sorted({f'{table}.{column}: {text}'
                       for table, column in _SAID
                       for text, in connection.execute(
                           f'select {column} from {table}')  # noqa: S608
                       if of(text or '')})
