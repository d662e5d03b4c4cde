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

"""Tells python-openstackclient of the ``openstack hpc`` commands.

Imported at every start of ``openstack``, whatever the command: so nothing
but osc_lib at module level.
"""

from __future__ import annotations

import argparse
from typing import Any

from osc_lib import utils

API_NAME = 'hpc_cluster'
API_VERSION_OPTION = 'os_hpc_cluster_api_version'
API_VERSIONS = ('1', '1.0')
DEFAULT_API_VERSION = '1'


def make_client(instance: Any) -> Any:
    """The SDK's connection with our service on it; ours is returned."""
    from hpcdirect.client import proxy

    return proxy.attach(instance.sdk_connection)


def build_option_parser(parser: argparse.ArgumentParser
                        ) -> argparse.ArgumentParser:
    """Add the global option for the API's version."""
    parser.add_argument(
        '--os-hpc-cluster-api-version',
        metavar='<hpc-cluster-api-version>',
        default=utils.env('OS_HPC_CLUSTER_API_VERSION',
                          default=DEFAULT_API_VERSION),
        help='HPC cluster API version, default=1 '
             '(Env: OS_HPC_CLUSTER_API_VERSION)')
    return parser
