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


"""Options of the heat backend."""

from __future__ import annotations

from oslo_config import cfg

OPTIONS: list[cfg.Opt] = [
    cfg.IntOpt(
        'stack_timeout', default=120, min=1, max=1440,
        help='Minutes after which Heat itself gives up a stack. Longer than '
             '[conductor] provision_timeout, which is what usually ends a '
             'wait.'),
    cfg.IntOpt(
        'stall_seconds', default=300, min=10, max=86400,
        help='Seconds without a sign of life after which a stack that is '
             'said to be in progress is driven on again, as after the death '
             'of a Heat engine. A server that Nova is building is a sign of '
             'life, however long it takes to write an image to its disk; let '
             'this be longer than anything else in a template takes, a '
             'volume made from an image for example.'),
]
