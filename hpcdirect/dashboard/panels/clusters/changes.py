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

"""A live cluster changed: what is shown first is what is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import http
from django import shortcuts
from django.contrib import messages
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import generic
from osc_lib import exceptions as osc_exceptions

from hpcdirect.client import proxy
from hpcdirect.client.osc import differences
from hpcdirect.client.osc import moment
from hpcdirect.client.osc import user_table
from hpcdirect.dashboard import commands
from hpcdirect.dashboard import connection
from hpcdirect.dashboard import drawing
from hpcdirect.dashboard import errors
from hpcdirect.dashboard import form_layout
from hpcdirect.dashboard import pages
from hpcdirect.dashboard import schema_forms
from hpcdirect.dashboard import steps
from hpcdirect.dashboard import wishes

#: What a pasted table is called.
_TABLE = 'users.csv'
_DETAIL = 'horizon:project:hpc_clusters:detail'


def _tab(hpc: proxy.Proxy, name: str, cluster: str) -> dict[str, Any]:
    """What all pages of a live cluster show."""
    found = hpc.get_cluster(cluster)
    return {'cluster': found, 'tab': name, 'page_title': found['name'],
            'may': found['allowed']['update'] == ''}


class Nodes(pages.Page):
    """The machines, and what they are on and share."""

    template_name = 'hpcdirect/nodes.html'

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        shown = _tab(hpc, 'nodes', words['cluster'])
        topology = hpc.topology(shown['cluster']['id'])
        return {**shown, 'picture': drawing.nodes(topology),
                'machines': list(drawing.machines(topology)),
                'networks': topology['networks'],
                'volumes': topology['volumes']}


class Layers(pages.Page):
    """What stands on the machines, and what else fits."""

    template_name = 'hpcdirect/layers.html'

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        shown = _tab(hpc, 'layers', words['cluster'])
        ident = shown['cluster']['id']
        return {**shown, **(
            hpc.element_choices(ident) if shown['may'] else
            {'elements': hpc.cluster_elements(ident)})}


class Users(pages.Page):
    """Who may log in, on how many nodes already."""

    template_name = 'hpcdirect/users.html'

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        shown = _tab(hpc, 'users', words['cluster'])
        return {**shown, 'users': hpc.users(shown['cluster']['id'])}


class History(pages.Page):
    """What was wanted, by whom, and what came of it."""

    template_name = 'hpcdirect/history.html'

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        shown = _tab(hpc, 'history', words['cluster'])
        return {**shown, **hpc.read(
            f'/clusters/{shown["cluster"]["id"]}/generations', limit=50)}


class Compare(pages.Page):
    """What differs between two generations.

    The URL's ``before`` and ``after`` are their numbers.
    """

    template_name = 'hpcdirect/compare.html'

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        shown = _tab(hpc, 'history', words['cluster'])
        cluster = shown['cluster']
        before, after = (_number(self.request.GET.get(name, ''))
                         for name in ('before', 'after'))
        found = hpc.get_generation(cluster['id'], after, against=before)
        return {**shown, 'before': before, 'after': after,
                'differences': _differences(found),
                'command': commands.line(commands.compared(
                    cluster['name'], before, after))}


def _differences(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How things were and are, in words; None for what is not there."""
    return [{**one, **dict(zip(('before', 'after'), differences.sides(one),
                               strict=True))}
            for one in found.get('differences') or ()]


def _number(text: str) -> int:
    """Of a generation; 0, which there is never, for what is none."""
    return int(text) if text.isdecimal() and len(text) < 10 else 0


class PlanPage(pages.Asked):
    """What a wish would do, before anything is done."""

    template_name = 'hpcdirect/plan.html'

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        cluster = hpc.get_cluster(words['cluster'])
        wish = wishes.of(cluster['name'], self.request.POST.dict())
        if wish is None:
            return {'cluster': cluster, 'page_title': cluster['name']}
        return planned(hpc, cluster, wish)


class UserTable(pages.Asked):
    """Accounts from a table that somebody pasted."""

    template_name = PlanPage.template_name

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        # The page that it was pasted on says what the cluster is called, so
        # that nobody has to be asked.
        form = self.request.POST
        cluster = {'id': words['cluster'], 'name': form.get('cluster', '')}
        shown = {'cluster': cluster, 'table': form.get('table', ''),
                 'page_title': _('Change %s') % cluster['name']}
        try:
            users = user_table.parse(shown['table'], _TABLE)
        except osc_exceptions.CommandError as exc:
            return {**shown, 'wrong': str(exc).splitlines()}
        there = {one['name'] for one in hpc.users(cluster['id'])}
        if there & set(users):
            return {**shown, 'wrong': [
                _('%s: there already') % name
                for name in sorted(there & set(users))]}
        return {**shown, 'accounts': [
            {'name': name, 'keys': [], **users[name]} for name in users],
            **planned(hpc, cluster, wishes.add_users(
                cluster['name'], users, _TABLE))}


def planned(hpc: proxy.Proxy, cluster: Mapping[str, Any],
            wish: wishes.Wish) -> dict[str, Any]:
    """A plan, as its page shows it."""
    plan = hpc.plan(cluster=cluster['id'], change=wish.change)
    return {'cluster': cluster, 'plan': plan,
            'differences': _differences(plan),
            'rows': steps.rows(plan['steps']),
            'page_title': _('Change %s') % cluster['name'],
            'command': commands.line(wish.words)}


class Apply(generic.View):
    """Somebody agrees with a plan."""

    def post(self, request: http.HttpRequest, cluster: str
             ) -> http.HttpResponse:
        """Do just what it showed."""
        try:
            connection.service(request).change_cluster(
                cluster, plan=request.POST.get('plan', ''))
        except errors.FAILED as exc:
            messages.error(request, errors.trouble(exc).sentence)
        return shortcuts.redirect(reverse(_DETAIL, args=[cluster]))


class Settings(pages.Asked):
    """All parameters, to be changed; leads to a plan."""

    template_name = 'hpcdirect/settings.html'

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        shown = {**_tab(hpc, 'settings', words['cluster']),
                 'forms': moment.FORMS}
        cluster = shown['cluster']
        schema = pages.blueprint(
            self.request, hpc, '{blueprint}@{blueprint_version}'.format(
                **cluster))['parameters']
        if self.request.method != 'POST':
            return {**shown, 'sections': form_layout.sections(
                schema, schema_forms.typed(schema, cluster['parameters']))}
        data = schema_forms.received(self.request.POST.dict())
        reading = schema_forms.read(schema, data)
        if not reading.errors:
            wish = wishes.parameters(cluster, schema, reading.values)
            found = planned(hpc, cluster, wish)
            for change in found['plan']['changes']:
                field = reading.field(change['subject'])
                if change['verdict'] == 'refused' and field:
                    reading.errors.setdefault(field, change['reason'])
            if not reading.errors:
                self.template_name = PlanPage.template_name
                return found
        return {**shown, 'sections': form_layout.sections(
            schema, data, reading.errors)}


class Label(generic.View):
    """What people write on a cluster; nothing is done to its machines."""

    def post(self, request: http.HttpRequest, cluster: str
             ) -> http.HttpResponse:
        """Keep what was typed, and go back to it."""
        form = request.POST
        try:
            connection.service(request).change_cluster(
                cluster, description=form.get('description', ''),
                tags=[tag for tag in map(str.strip, form.get(
                    'tags', '').split(',')) if tag],
                protected=bool(form.get('protected')),
                expires_at=moment.parse(form.get('expires') or 'never'))
            messages.success(request, _('It is kept.'))
        except osc_exceptions.CommandError as exc:
            messages.error(request, str(exc))
        except errors.FAILED as exc:
            messages.error(request, errors.trouble(exc).sentence)
        return shortcuts.redirect(reverse(
            'horizon:project:hpc_clusters:settings', args=[cluster]))
