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

"""From what somebody asks for to what is wanted of a cluster, signed.

What is pure about it is in :mod:`hpcdirect.planning`. How orders are written
down is in :mod:`hpcdirect.db.orders`, which the conductor uses as well, for
what it orders by itself: the ends of clusters and of accounts.
"""
