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

"""``hpc project``: whether the service may act in a project"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any
from typing import ClassVar

from openstack import exceptions as sdk_exceptions
from osc_lib import exceptions

from hpcdirect.client import grants
from hpcdirect.client import resources
from hpcdirect.client.osc import base
from hpcdirect.client.osc import change

_SHOWN = ('id', 'enabled', 'role', 'service_user', 'backends', 'reason')


class _Project(base.ShowOne):
    """A command about a project, the caller's own by default."""

    arguments: ClassVar = {
        'project': {
            'metavar': '<project>', 'nargs': '?',
            'help': 'Name or id; default the one that you are logged in to'}}

    @property
    def connection(self) -> Any:
        """The caller's own connection to the cloud."""
        manager: Any = self.app.client_manager
        return manager.sdk_connection

    def project(self, parsed_args: argparse.Namespace
                ) -> grants.KeystoneProject:
        """The project that is meant."""
        if parsed_args.project:
            return grants.find(self.connection, parsed_args.project)
        found = grants.own(self.connection)
        if found is None:
            raise exceptions.CommandError(
                'You are not logged in to a project: name one')
        return found

    def standing(self, project: grants.KeystoneProject) -> resources.Project:
        """What the service says of a project.

        Who may not see it there may still give roles in it, and what is to
        be given is the same for every project.
        """
        try:
            found: resources.Project = self.api.get_project(project.id)
        except sdk_exceptions.NotFoundException:
            mine = grants.own(self.connection)
            if mine is None or mine.id == project.id:
                raise
            found = self.api.get_project(mine.id)
        return found


class ShowProject(_Project):
    """Show whether the service may make clusters in a project"""

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = self.api.get_project(self.project(parsed_args).id)
        return base.pairs(resources.plain(found), _SHOWN)


class EnableProject(_Project):
    """Let the service make clusters in a project

    Gives the service's own user the role in the project that it needs, with
    your own rights in Keystone: an administrator's, or those of a manager of
    the project's domain. Who does not have them is told what to ask for.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds --dry-run."""
        return _with_dry_run(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """Two requests to the service, two or more to Keystone."""
        project = self.project(parsed_args)
        found = self.standing(project)
        if found.service_user is not None and parsed_args.dry_run:
            self.say(f'User {found.service_user["id"]} would be given the '
                     f'role {found.role} in project '
                     f'{project.name or project.id}')
        elif found.service_user is None:
            self.say('This service needs no role in projects: nothing to do')
        else:
            self._enable(project, found)
            if found.id == project.id:
                found = self.api.get_project(project.id)
        if found.id != project.id:
            return ('id', 'role', 'service_user'), (
                project.id, found.role, base.cell(found.service_user))
        return base.pairs(resources.plain(found), _SHOWN)

    def _enable(self, project: grants.KeystoneProject, found: resources.Project
                ) -> None:
        """Give the role, though the service may think that it has it.

        It believes so for a minute after the role was taken away.
        """
        name = project.name or project.id
        try:
            _as_the_caller(grants.give, 'add', self.connection, project,
                           found)
            self.say(f'The service may act in project {name}')
        except exceptions.CommandError:
            if found.id != project.id or not found.enabled:
                raise
            self.say(f'The service says that it may act in project {name} '
                     'already')


class DisableProject(_Project):
    """Take from the service the right to act in a project

    Clusters that are there go on running, but the service can neither change
    nor delete them any more: delete them first.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds --force."""
        parser = _with_dry_run(super().get_parser(prog_name))
        parser.add_argument('--force', action='store_true',
                            help='Although there are clusters in it')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """Two requests to the service, two or more to Keystone."""
        project = self.project(parsed_args)
        found = self.standing(project)
        if found.service_user is None:
            raise exceptions.CommandError(
                'This service needs no role in projects: there is nothing '
                'to take away')
        names = [] if parsed_args.force else self._clusters(project)
        if names:
            raise exceptions.CommandError(
                f'Project {project.name or project.id} has clusters that '
                f'could not be deleted any more: {", ".join(names)}. Delete '
                'them first, or give --force')
        name = project.name or project.id
        if parsed_args.dry_run:
            self.say(f'The role {found.role} in project {name} would be '
                     f'taken from user {found.service_user["id"]}')
        else:
            _as_the_caller(grants.take, 'remove', self.connection, project,
                           found)
            self.say(f'The service may not act in project {name} any more; '
                     'it learns so within a minute')
        return ('id', 'role', 'service_user'), (
            project.id, found.role, base.cell(found.service_user))

    def _clusters(self, project: grants.KeystoneProject) -> list[str]:
        """Names of the project's clusters, as far as the caller sees them."""
        mine = grants.own(self.connection)
        query = ({} if mine and mine.id == project.id
                 else {'all_projects': 'true'})
        try:
            return [one.name for one in self.api.clusters(**query)
                    if one.project_id == project.id]
        except sdk_exceptions.ForbiddenException:
            self.say('Whether there are clusters in the project is not '
                     'yours to see')
            return []


def _with_dry_run(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    change.add_dry_run(parser)
    return parser


def _as_the_caller(do: Callable[..., None], verb: str, connection: Any,
                   project: grants.KeystoneProject, found: resources.Project
                   ) -> None:
    """Give or take the role; CommandError with what to run by who may."""
    user = found.service_user
    try:
        do(connection, project, user['id'], found.role)
    except grants.Refused:
        raise exceptions.CommandError(
            f'You may not give or take roles in project '
            f'{project.name or project.id}. Ask an administrator, or a '
            f'manager of its domain, to run this:\n'
            f'openstack role {verb} --user {user["id"]} '
            f'--project {project.id} {found.role}') from None
    except grants.NoRole as exc:
        raise exceptions.CommandError(str(exc)) from exc
