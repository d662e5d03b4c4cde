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

"""Tests that take minutes: all of them in a soak, by turns otherwise.

What never runs in CI is found broken when it is needed, and all of them would
be too much for it. So a run has as many as fit into its minutes
(``HPCDIRECT_LONG``; tools/test.sh goes by how quick the machine is), and each
day begins with another of them.
"""

import os
import time
import unittest

#: Whether all are wanted: tox -e soak.
SOAK = bool(os.environ.get('HPCDIRECT_SOAK'))
#: Minutes of these in one run.
MINUTES = int(os.environ.get('HPCDIRECT_LONG') or 20)
#: The minutes that each takes on two cores, other tests beside it. Long ones
#: and those of one worker (tools/workers.yaml) lie apart.
LONG = {
    'reversal': 8, 'groups': 4, 'order': 4, 'mpi': 4,
    'failpoints': 5, 'program': 4, 'people': 3, 'changes': 4,
    'slurm': 8, 'matrix': 6, 'users': 4, 'genomics': 4,
    'damage': 4, 'ports': 4, 'check': 3, 'molecular-dynamics': 4,
    'metrics': 4, 'engineering': 4}


def chosen(names, minutes, first):
    """Those of a run: from the first on, as many as fit, one at least.

    :param names: name -> minutes.
    :param minutes: that there are for them.
    :param first: place of the first one; any number.
    """
    left, found = minutes, []
    order = list(names)
    first %= len(order)
    for name in order[first:] + order[:first]:
        if not found or names[name] <= left:
            found.append(name)
            left -= names[name]
    return found


_SAID = os.environ.get('HPCDIRECT_TURN')
TODAY = [_SAID] if _SAID else chosen(LONG, MINUTES, time.gmtime().tm_yday)

#: Decorates a test that runs in a soak only.
only = unittest.skipUnless(SOAK, 'takes minutes: tox -e soak')


def in_turn(name):
    """Decorate a test that runs in a soak, and when it is its turn."""
    if name not in LONG:
        raise ValueError(f'{name} is not in the list')
    return unittest.skipUnless(
        SOAK or name in TODAY, f'this time: {", ".join(TODAY)}; '
        f'HPCDIRECT_TURN={name} runs it')
