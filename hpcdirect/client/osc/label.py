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


"""What is said of a cluster and changes nothing about it."""

from __future__ import annotations

import argparse
from typing import Any
from typing import ClassVar

from osc_lib import exceptions

from hpcdirect.client import resources
from hpcdirect.client.osc import base
from hpcdirect.client.osc import change
from hpcdirect.client.osc import moment


def add_options(parser: argparse.ArgumentParser) -> None:
    """--description, --tag, --protect and --expires"""
    parser.add_argument('--description', metavar='<text>',
                        help='What it is for, in your own words')
    parser.add_argument('--tag', metavar='<word>', action='append',
                        help='Word to find it by (repeat for several)')
    parser.add_argument('--protect', dest='protected', action='store_true',
                        default=None, help='Let nobody delete it')
    parser.add_argument(
        '--expires', metavar='<when>',
        help=f'When it goes by itself: {moment.FORMS}')


class SetCluster(base.Base):
    """Change a cluster's name, description, tags, protection or expiry

    Nothing is done to its machines; to change those there are update, scale,
    element and others.
    """

    arguments: ClassVar = base.CLUSTER

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which one, and what to say of it."""
        parser = super().get_parser(prog_name)
        change.add_dry_run(parser)
        parser.add_argument('--name', metavar='<name>', help='New name')
        add_options(parser)
        parser.add_argument('--unprotect', dest='protected',
                            action='store_false', default=None,
                            help='Let it be deleted again')
        parser.add_argument(
            '--no-tag', action='store_true',
            help='Take all tags off; those of --tag are put on then')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """One request, and one before when tags are added."""
        body = said(parsed_args)
        if parsed_args.name is not None:
            body['name'] = parsed_args.name
        if parsed_args.no_tag:
            body['tags'] = body.get('tags', [])
        elif parsed_args.tag:
            known = self.api.get_cluster(parsed_args.cluster).tags or []
            body['tags'] = list(dict.fromkeys([*known, *parsed_args.tag]))
        if not body:
            raise exceptions.CommandError(
                'Nothing to change: give --name, --description, --tag, '
                '--no-tag, --protect, --unprotect or --expires')
        if parsed_args.dry_run:
            found = resources.plain(self.api.get_cluster(parsed_args.cluster))
            for name, value in body.items():
                self.say(f'{name}: {found.get(name)!r} would be {value!r}')
            return
        self.api.change_cluster(parsed_args.cluster, **body)


def said(parsed_args: argparse.Namespace) -> dict[str, Any]:
    """What :func:`add_options` took, for the body of a request."""
    found = {'description': parsed_args.description,
             'tags': list(dict.fromkeys(parsed_args.tag or ())) or None,
             'protected': parsed_args.protected}
    body: dict[str, Any] = {name: value for name, value in found.items()
                            if value is not None}
    if parsed_args.expires is not None:
        body['expires_at'] = moment.parse(parsed_args.expires)
    return body
