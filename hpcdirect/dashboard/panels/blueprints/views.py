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

"""What clusters can be made from, and the form that makes one."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import re
from typing import Any
import uuid

from django import http
from django import shortcuts
from django.core import cache
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import generic
from horizon import exceptions as horizons
from keystoneauth1 import exceptions as ksa_exceptions
from openstack import exceptions

from hpcdirect.client import choices
from hpcdirect.client import proxy
from hpcdirect.dashboard import commands
from hpcdirect.dashboard import connection
from hpcdirect.dashboard import errors
from hpcdirect.dashboard import form_layout
from hpcdirect.dashboard import pages
from hpcdirect.dashboard import readme
from hpcdirect.dashboard import schema_forms
from hpcdirect.dashboard import steps

#: Fields of a cluster itself; those of parameters have a ":" in their names.
_OWN = ('name', 'backend', 'description', 'expires_at')

#: Seconds for which what a cloud offers is kept.
_CHOICES_FOR = 60


class Index(pages.Page):
    """Cards, each with what it is and how long it takes."""

    template_name = 'hpcdirect/blueprints.html'
    page_title = gettext_lazy('Blueprints')

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        asked = {name: self.request.GET.get(name, '')
                 for name in ('q', 'field')}
        return {**hpc.read('/blueprints', **{
            name: value or None for name, value in asked.items()}), **asked}


class Detail(pages.Page):
    """A blueprint: its README, its layers, its parameters."""

    template_name = 'hpcdirect/blueprint.html'

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        blueprint = hpc.get_blueprint(words['blueprint'])
        return {'blueprint': blueprint,
                'page_title': blueprint['label'] or blueprint['name'],
                'readme': readme.html(blueprint['readme']),
                'sections': form_layout.sections(
                    blueprint['parameters'], schema_forms.typed(
                        blueprint['parameters'], {}))}


class _Form:
    """What was typed for a cluster from a blueprint."""

    def __init__(self, blueprint: Mapping[str, Any],
                 data: Mapping[str, str]) -> None:
        self.blueprint = blueprint
        self.schema = blueprint['parameters']
        self.data = schema_forms.received(data)
        self.reading = schema_forms.read(self.schema, self.data)
        self.errors = dict(self.reading.errors)
        self.own = {name: self.data.get(name, '').strip() for name in _OWN}
        self.on_top: list[str] = []

    def wish(self) -> dict[str, Any]:
        """The body that asks for the cluster."""
        made = f'{self.blueprint["name"]}@{self.blueprint["version"]}'
        return {'blueprint': made, 'parameters': self.reading.values,
                **{name: value for name, value in self.own.items() if value}}

    def command(self) -> str:
        """What does the same."""
        wish = self.wish()
        return commands.line(commands.create(
            self.own['name'] or 'NAME', wish['blueprint'],
            self.reading.values, self.schema, **{
                option: self.own[name] for option, name in (
                    ('backend', 'backend'), ('description', 'description'),
                    ('expires', 'expires_at')) if self.own[name]}))

    def refused(self, where: str, why: str) -> None:
        """Say it next to the field that is meant, or on top."""
        name = where.removeprefix('$.').removeprefix('create.')
        field = name if name in _OWN else self.reading.field(where)
        if field:
            self.errors.setdefault(field, why)
        else:
            self.on_top.append(f'{where}: {why}' if where not in ('', '$')
                               else why)

    def reviewed(self, hpc: proxy.Proxy) -> Mapping[str, Any] | None:
        """The plan; None when there is none, and the form says why."""
        if self.errors:
            return None
        try:
            plan = hpc.plan(create=self.wish())
        except errors.FAILED as exc:
            self.failed(exc)
            return None
        for change in plan['changes']:
            if change['verdict'] == 'refused':
                self.refused(change['subject'], change['reason'])
        return None if plan['refused'] else plan

    def failed(self, exc: Exception) -> None:
        """Tell what the service says of the whole."""
        trouble = errors.trouble(exc)
        for where, why in trouble.findings:
            self.refused(where, why)
        if not trouble.findings:
            self.refused('$.name' if trouble.status == 409 else '$',
                         trouble.sentence)

    def shown(self) -> dict[str, Any]:
        """What the templates draw."""
        return {'blueprint': self.blueprint, 'own': self.own,
                'errors': self.errors, 'on_top': self.on_top,
                'sections': form_layout.sections(
                    self.schema, self.data, self.errors)}


class Launch(pages.Page):
    """The form; nothing is made before its button is pressed."""

    template_name = 'hpcdirect/launch.html'

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        blueprint = pages.blueprint(self.request, hpc, words['blueprint'])
        posted = self.request.method == 'POST'
        form = _Form(blueprint, self.request.POST.dict() if posted else
                     schema_forms.typed(blueprint['parameters'],
                                        self._like(hpc)))
        plan = None
        if posted and self.request.POST.get('do') == 'launch':
            made = self._launched(hpc, form)
            if made:
                return {'made': made}
        elif posted:
            plan = form.reviewed(hpc)
        return {**form.shown(), **_review(form, plan),
                'key': self.request.POST.get('key') or str(uuid.uuid4()),
                'page_title': _('Launch: %s') % (
                    blueprint['label'] or blueprint['name'])}

    def _like(self, hpc: proxy.Proxy) -> Mapping[str, Any]:
        """The parameters of another cluster, as they are or once were.

        Its secrets are told to nobody, and are asked for again.
        """
        like = self.request.GET.get('like', '')
        number = self.request.GET.get('generation', '')
        if not re.fullmatch(pages.Name.regex, like):
            return {}
        found: Mapping[str, Any] = (
            hpc.get_generation(like, int(number)) if number.isdecimal()
            else hpc.get_cluster(like))['parameters']
        return found

    def _launched(self, hpc: proxy.Proxy, form: _Form) -> str:
        """The id of the cluster; '' when it was refused."""
        if form.errors:
            return ''
        try:
            # The key was made with the form: a double click makes one.
            return str(hpc.create_cluster(
                idempotency_key=self.request.POST.get('key', ''),
                **form.wish()).id)
        except errors.FAILED as exc:
            form.failed(exc)
            return ''

    def post(self, request: http.HttpRequest, **words: Any
             ) -> http.HttpResponse:
        """Review it, or launch it."""
        context = self.get_context_data(**words)
        if 'made' in context:
            return shortcuts.redirect(reverse(
                'horizon:project:hpc_clusters:detail',
                args=[context['made']]))
        return self.render_to_response(context)


class Review(pages.Poll):
    """What the form would make, as somebody types."""

    def post(self, request: http.HttpRequest, **words: Any
             ) -> http.HttpResponse:
        """A question with a whole form in it."""
        return self.get(request, **words)

    def answer(self, hpc: proxy.Proxy, **words: Any) -> dict[str, Any]:
        form = _Form(pages.blueprint(self.request, hpc, words['blueprint']),
                     self.request.POST.dict())
        plan = form.reviewed(hpc) if form.own['name'] else None
        return {'fragments': {'hpc-review': pages.fragment(
                    '_review', {
                        **form.shown(), **_review(form, plan)})},
                'errors': form.errors, 'wait': 0}


def _review(form: _Form, plan: Mapping[str, Any] | None) -> dict[str, Any]:
    return {'plan': plan, 'command': form.command(),
            'rows': steps.rows(plan['steps']) if plan else []}


class Choices(generic.View):
    """What the cloud offers for a field, as JSON; the service is not asked.

    A script asks when somebody comes to the field.
    """

    def get(self, request: http.HttpRequest, source: str
            ) -> http.HttpResponse:
        """Ask the cloud once."""
        if source not in choices.SOURCES:
            raise http.Http404
        place = pages.key(request, 'choices', source)
        found = cache.cache.get(place)
        if found is None:
            try:
                found = [dataclasses.asdict(one) for one in choices.offered(
                    connection.cloud(request, choices.SOURCES[source].service),
                    source)]
            except (exceptions.SDKException, ksa_exceptions.ClientException,
                    horizons.ServiceCatalogException):
                # A form can be filled in without.
                found = []
            cache.cache.set(place, found, _CHOICES_FOR)
        return http.JsonResponse({'choices': found})
