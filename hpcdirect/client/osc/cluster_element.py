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


"""openstack hpc cluster element ..."""

from __future__ import annotations

import argparse
from typing import Any
from typing import ClassVar

from osc_lib import exceptions

from hpcdirect.client.osc import base
from hpcdirect.client.osc import change
from hpcdirect.client.osc import values


class ListClusterElement(base.Lister):
    """List what is on a cluster, or could be given back to it"""

    arguments: ClassVar = base.CLUSTER
    paged = ()
    columns: ClassVar = {
        'Name': 'name', 'Version': 'version', 'Status': 'status',
        'Added': 'added', 'Roles': 'roles'}
    more: ClassVar = {
        'Label': 'label', 'Requires': 'requires', 'Missing': 'missing',
        'Parameters': 'parameters'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        def fetch(**query: Any) -> Any:
            found = self.api.cluster_elements(parsed_args.cluster)
            return (argparse.Namespace(**entry) for entry in found)

        return self.table(parsed_args, fetch)


class ListCandidate(base.Lister):
    """List which elements could be put on a cluster, and why not others

    The seconds are how long it usually takes to put one on.
    """

    arguments: ClassVar = {
        **base.CLUSTER,
        '--fits': {
            'action': 'store_true',
            'help': 'Only those that can be put on now'}}
    paged = ()
    columns: ClassVar = {
        'Name': 'name', 'Version': 'version', 'Fits': 'fits',
        'Grade': 'grade', 'Seconds': 'seconds', 'Why Not': 'why_not'}
    more: ClassVar = {
        'Label': 'label', 'Description': 'description', 'Roles': 'roles',
        'Asks': 'asks'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        asked = {'fits': True} if parsed_args.fits else {}

        def fetch(**query: Any) -> Any:
            for entry in self.api.candidates(parsed_args.cluster, **asked):
                seconds = (entry['typical'] or {}).get('seconds')
                yield argparse.Namespace(
                    **entry, seconds=base.Number(
                        seconds and round(seconds, 1)),
                    why_not=' '.join(reason['message']
                                     for reason in entry['reasons']))

        return self.table(parsed_args, fetch)


class _Put(change.ChangeCommand):
    """Puts an element on, or sets it otherwise."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which element, and how it is to be."""
        parser = super().get_parser(prog_name)
        parser.add_argument('element', metavar='<name>[@<version>]',
                            help='Name of the element')
        values.add_parameter_options(parser, 'element')
        parser.add_argument(
            '--role', metavar='<role>=<group>[,<group>]', action='append',
            default=[], help='Node groups that play a role of the element; '
            'said for all of its roles or for none (repeat for several)')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request, unless --wait needs more."""
        name, _, version = parsed_args.element.partition('@')
        said: dict[str, Any] = {}
        if version:
            said['version'] = version
        given = values.parameters(parsed_args)
        if given:
            said['parameters'] = given
        if parsed_args.role:
            said['roles'] = dict(map(_role, parsed_args.role))
        return self.change(parsed_args, {'elements': {name: said}})


class AddClusterElement(_Put):
    """Put an element on a cluster

    Without --role the one node of a role that one node plays is the login
    node, and the other nodes play the others; where there is no such role,
    all nodes do.
    """


class SetClusterElement(_Put):
    """Change the parameters, the version or the nodes of an element

    What is not said stays; a parameter set to null has its default again.
    """

    silent = True


class RemoveClusterElement(change.ChangeCommand):
    """Take elements off a cluster, and what stands on them

    What stands on an element of the blueprint comes back with it.
    """

    arguments: ClassVar = {
        **base.CLUSTER,
        'element': {
            'metavar': '<name>', 'nargs': '+', 'help': 'Name of the element'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request, unless --wait needs more."""
        return self.change(parsed_args, {
            'elements': dict.fromkeys(parsed_args.element)})


def _role(text: str) -> tuple[str, list[str]]:
    role, equals, groups = text.partition('=')
    if not role or not equals or not groups:
        raise exceptions.CommandError(
            f'--role {text}: write <role>=<group>[,<group>]')
    return role, groups.split(',')
