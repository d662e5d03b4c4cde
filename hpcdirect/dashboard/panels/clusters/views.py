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

"""The clusters of a project, and each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib import parse

from django import http
from django import shortcuts
from django.contrib import messages
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import generic
from openstack import exceptions

from hpcdirect.client import proxy
from hpcdirect.dashboard import commands
from hpcdirect.dashboard import connection
from hpcdirect.dashboard import drawing
from hpcdirect.dashboard import errors
from hpcdirect.dashboard import pages
from hpcdirect.dashboard import steps

_ON_A_PAGE = 20
_FIELDS = ('id', 'name', 'status', 'error', 'status_reason',
           'blueprint', 'blueprint_version', 'node_groups', 'deployment',
           'failures', 'allowed', 'expires_at', 'user_name', 'project_name',
           'project_id', 'protected', 'tags')
_FILTERS = ('q', 'status', 'tags', 'user')
_BUSY = ('CREATING', 'UPDATING', 'CHECKING', 'DELETING')
_IN_TROUBLE = ('ERROR', 'DEGRADED')
STATUSES = ('ACTIVE', *_BUSY, *_IN_TROUBLE)
_DETAIL = 'horizon:project:hpc_clusters:detail'


def listed(hpc: proxy.Proxy, asked: http.QueryDict, **further: str
           ) -> dict[str, Any]:
    """A page of clusters, and the questions of the pages beside it.

    :param further: of the question, beside what the page was asked for.
    """
    query = {name: asked[name] for name in (*_FILTERS, 'marker',
                                            'page_reverse')
             if asked.get(name)}
    found = hpc.read('/clusters', limit=_ON_A_PAGE, with_count='true',
                     fields=','.join(_FIELDS), **query, **further)
    links = {link['rel']: parse.urlsplit(link['href']).query
             for link in found.get('links', ())}
    kept = {name: query[name] for name in _FILTERS if name in query}
    return {'clusters': found['clusters'], 'count': found.get('count'),
            'allowed': found['allowed'],
            'asked': query,
            **{name: parse.urlencode(kept | _page(links[rel]))
               for name, rel in (('newer', 'prev'), ('older', 'next'))
               if rel in links},
            'busy': any(cluster['status'] in _BUSY
                        for cluster in found['clusters'])}


def _page(query: str) -> dict[str, str]:
    return {name: value for name, value in parse.parse_qsl(query)
            if name in ('marker', 'page_reverse')}


class Index(pages.Page):
    """All clusters of the project, a page at a time."""

    template_name = 'hpcdirect/clusters.html'
    page_title = gettext_lazy('Clusters')

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        return {**listed(hpc, self.request.GET),
                'statuses': STATUSES,
                'query': self.request.GET.urlencode()}


class Rows(pages.Poll):
    """The same page of clusters again."""

    def answer(self, hpc: proxy.Proxy, **words: Any) -> dict[str, Any]:
        found = listed(hpc, self.request.GET)
        return {'fragments': {'hpc-clusters': pages.fragment(
                    '_clusters', found)},
                'wait': 2 if found['busy'] else 10}


def _moving(cluster: Mapping[str, Any], progress: Mapping[str, Any]
            ) -> dict[str, Any]:
    """What the plan and the picture are drawn of."""
    return {'rows': steps.rows(progress.get('steps', ())),
            'picture': drawing.nodes(drawing.topology(cluster, progress))}


class Detail(pages.Page):
    """A cluster as it is now: the plan, the machines, what is told."""

    template_name = 'hpcdirect/cluster.html'

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        cluster = hpc.get_cluster(words['cluster'])
        latest = cluster['deployment']
        progress = hpc.get_progress(latest['id']) if latest else {}
        going, wait = steps.pace(latest, progress)
        return {'cluster': cluster, 'progress': progress, 'tab': 'live',
                'going': going, 'wait': wait,
                'page_title': cluster['name'],
                'events': _told(progress), 'verbs': _verbs(cluster),
                **_moving(cluster, progress)}

    def get(self, request: http.HttpRequest, **words: Any
            ) -> http.HttpResponse:
        """Show it, or lead to what was done to one that is gone."""
        context = self.get_context_data(**words)
        if context.get('trouble') and context['trouble'].status == 404:
            return shortcuts.redirect(reverse(
                'horizon:project:hpc_clusters:gone', args=[words['cluster']]))
        return self.render_to_response(context)


class Gone(pages.Page):
    """What was done to a cluster outlives it."""

    template_name = 'hpcdirect/gone.html'

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        ident = words['cluster']
        wanted = hpc.read(f'/clusters/{ident}/generations',
                          limit=_ON_A_PAGE)['generations']
        last = next((one['deployment_id'] for one in wanted
                     if one['deployment_id']), None)
        progress = hpc.get_progress(last) if last else {}
        return {'ident': ident, 'gone': wanted, 'progress': progress,
                # What was wanted last, of what can be made again.
                'again': next((one for one in wanted
                               if one['allowed']['clone'] == ''), None),
                'page_title': _('A cluster that is gone'),
                'rows': steps.rows(progress.get('steps', ())),
                'events': _told(progress)}


def _told(progress: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the log shows: what was done on nodes, and what was said."""
    return [event for event in progress.get('events', ())
            if event['kind'] in ('task', 'deployment', 'node')
            and (event['task'] or event['message'])]


def _verbs(cluster: Mapping[str, Any]) -> list[dict[str, str]]:
    """The buttons that would not be refused."""
    words = {'check': _('Check'), 'retry': _('Try again'),
             'repair': _('Repair'), 'cancel': _('Cancel')}
    return [{'verb': verb, 'word': word,
             'command': commands.line(commands.act(verb, cluster['name']))}
            for verb, word in words.items()
            if cluster['allowed'].get(verb, 'no') == ''
            and (verb != 'retry' or cluster['status'] in _IN_TROUBLE)]


class Live(pages.Poll):
    """What has moved since the last look.

    The URL's ``since`` is what the last answer gave as ``next``;
    ``deployment`` is what the page shows, and ``steps`` how many of it;
    ``picture`` asks for the machines anew.
    """

    def answer(self, hpc: proxy.Proxy, **words: Any) -> dict[str, Any]:
        asked = self.request.GET
        if asked.get('picture'):
            return self._picture(hpc, words['cluster'])
        if not asked.get('going'):
            return self._idle(hpc, words['cluster'],
                              asked.get('deployment', ''))
        progress = hpc.get_progress(
            asked['deployment'], since=asked.get('since') or None)
        found = {
            'title': _title(asked.get('name', ''), progress),
            'fragments': {
                'hpc-bar': pages.fragment('_bar', {'progress': progress}),
                **{f'step-{one["id"]}': pages.fragment(
                    '_step', {'step': steps.step(one)})
                   for one in progress['steps']}},
            'nodes': drawing.classes(progress['nodes']),
            'append': {'hpc-log': [pages.fragment('_event', {'event': event})
                                   for event in _told(progress)]},
            'next': progress['next'], 'wait': progress['poll_seconds']}
        total = str(progress['progress']['total'])
        if progress['finished_at'] or total != asked.get('steps'):
            # The plan has just been made, or all is over: once, the whole.
            found['fragments'] = {
                'hpc-steps': pages.fragment(
                    '_steps', {'rows': steps.rows(progress['steps'])}),
                'hpc-bar': found['fragments']['hpc-bar']}
            found['ask'] = {'steps': total, 'picture': '1',
                            'going': '' if progress['finished_at'] else '1'}
            found['wait'] = steps.SOON
        return found

    def _picture(self, hpc: proxy.Proxy, ident: str) -> dict[str, Any]:
        """All machines anew, with layers that were not known before."""
        try:
            topology = hpc.topology(ident)
        except exceptions.NotFoundException:
            return {'reload': True}
        return {'fragments': {'hpc-machines': pages.fragment(
                    '_machines', {'picture': drawing.nodes(topology)})},
                'ask': {'picture': ''}, 'wait': steps.SOON}

    def _idle(self, hpc: proxy.Proxy, ident: str, shown: str
              ) -> dict[str, Any]:
        """Nothing is under way, as far as the page knows."""
        cluster = hpc.get_cluster(ident)
        if ((cluster['deployment'] or {}).get('id') or '') != shown:
            return {'reload': True}
        return {'title': cluster['name'], 'wait': steps.REST, 'fragments': {
            'hpc-head': self._head(cluster, {})}}

    def _head(self, cluster: Mapping[str, Any],
              progress: Mapping[str, Any]) -> str:
        return pages.fragment('_head', {
            'cluster': cluster, 'progress': progress,
            'verbs': _verbs(cluster)}, self.request)


def _title(name: str, progress: Mapping[str, Any]) -> str:
    fraction = progress['progress']['fraction']
    if progress['finished_at'] or fraction is None:
        return name
    return f'({fraction:.0%}) {name}'


class Act(generic.View):
    """A button: check, try again, repair, cancel."""

    def post(self, request: http.HttpRequest, cluster: str
             ) -> http.HttpResponse:
        """Ask for it, and go back to the cluster."""
        verb = request.POST.get('verb', '')
        try:
            if verb in ('check', 'retry', 'repair', 'cancel'):
                connection.service(request).retry_cluster(cluster, verb)
        except errors.FAILED as exc:
            messages.error(request, errors.trouble(exc).sentence)
        return shortcuts.redirect(reverse(_DETAIL, args=[cluster]))


class Delete(pages.Page):
    """What is lost with a cluster; its name is typed before it goes."""

    template_name = 'hpcdirect/delete.html'

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        cluster = hpc.get_cluster(words['cluster'])
        shown = {'cluster': cluster, 'refused': cluster['allowed']['delete'],
                 'page_title': _('Tear down %s') % cluster['name']}
        if shown['refused']:
            return shown
        plan = hpc.plan(cluster=cluster['id'], delete=True)
        return {**shown, 'plan': plan, 'rows': steps.rows(plan['steps']),
                'refused': ' '.join(
                    change['reason'] for change in plan['changes']
                    if change['verdict'] == 'refused'),
                'command': commands.line(
                    commands.act('delete', cluster['name']))}

    def post(self, request: http.HttpRequest, cluster: str
             ) -> http.HttpResponse:
        """Take it down when its name was typed."""
        # The form has the id and the name of what was shown: another cluster
        # that has the name by now is not taken down.
        if request.POST.get('name') != request.POST.get('shown'):
            context = self.get_context_data(cluster=cluster)
            context['wrong'] = _('Type the name as it is written above.')
            return self.render_to_response(context)
        try:
            connection.service(request).delete_cluster(cluster)
        except errors.FAILED as exc:
            messages.error(request, errors.trouble(exc).sentence)
        return shortcuts.redirect(reverse(_DETAIL, args=[cluster]))
