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

"""What a call costs, whoever else is at work on this machine."""

import time

_TRIES = 6


def cost(call, most, clock=time.thread_time):
    """What a call returns, and the seconds of CPU that it takes.

    A loaded machine, and the garbage of other tests, add to it: what takes
    more than *most* is done again, and the least counts.
    """
    least = None
    for _ in range(_TRIES):
        begin = clock()
        result = call()
        spent = clock() - begin
        least = spent if least is None else min(least, spent)
        if least < most:
            break
    return result, least
