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

"""What all pages share: one question to the service, and its refusals."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
from typing import Any

from django import http
from django.core import cache
from django.middleware import csrf
from django.template import loader
from django.urls import converters
from django.utils.translation import gettext as _
from django.views import generic
from horizon import views

from hpcdirect.client import proxy
from hpcdirect.dashboard import connection
from hpcdirect.dashboard import errors


class Name:
    """What stands for one thing in a path: its name or id, and no more.

    It goes into a path of the API, where "..", "?" and the like would lead
    elsewhere.
    """

    regex = '[A-Za-z0-9][A-Za-z0-9._@+-]*'

    def to_python(self, value: str) -> str:
        """As it is."""
        return value

    to_url = to_python


converters.register_converter(Name, 'hpc')


class Page(views.HorizonTemplateView):
    """A page of one call, or two.

    A subclass says by :meth:`load` what it shows. What the service refuses is
    said on the page, under the status that the service gave.
    """

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        """What the template is given.

        :param words: of the URL.
        :raises errors.FAILED: the service refuses or does not answer.
        """
        return {}

    def get_context_data(self, **words: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**words)
        try:
            context.update(self.load(connection.service(self.request),
                                     **words))
        except errors.FAILED as exc:
            context['trouble'] = errors.trouble(exc)
        return context

    def render_to_response(self, context: dict[str, Any],
                           **kwargs: Any) -> http.HttpResponse:
        # Horizon would run the title as a template, which is no place for
        # names that people gave.
        context.setdefault('page_title', self.page_title or _('HPC'))
        response = super().render_to_response(context, **kwargs)
        if 'trouble' in context:
            response.status_code = context['trouble'].status
        return response


class Asked(Page):
    """A page that is posted to: it shows what is asked for."""

    def post(self, request: http.HttpRequest, **words: Any
             ) -> http.HttpResponse:
        """Show it."""
        return self.render_to_response(self.get_context_data(**words))


class Poll(generic.View):
    """What has changed on a page that is open, as JSON.

    :meth:`answer` gives ``fragments`` (id -> HTML that takes its place),
    ``wait`` (seconds until it is asked again; 0: never), and what the page's
    own part of the script takes.
    """

    def answer(self, hpc: proxy.Proxy, **words: Any) -> dict[str, Any]:
        """The JSON.

        :raises errors.FAILED: the service refuses or does not answer.
        """
        raise NotImplementedError

    def get(self, request: http.HttpRequest, **words: Any
            ) -> http.HttpResponse:
        """Ask the service once."""
        try:
            found = self.answer(connection.service(request), **words)
        except errors.FAILED as exc:
            trouble = errors.trouble(exc)
            return http.JsonResponse({'trouble': trouble.sentence},
                                     status=trouble.status)
        return http.JsonResponse(found)


def fragment(name: str, context: Mapping[str, Any],
             request: http.HttpRequest | None = None) -> str:
    """A part of a page, as the page itself has it.

    :param request: needed by a part that has a form.
    """
    # Not what Horizon puts into every page: it costs more than the part.
    token = {'csrf_token': csrf.get_token(request)} if request else {}
    found: str = loader.render_to_string(
        f'hpcdirect/{name}.html', {**context, **token})
    return found


def key(request: http.HttpRequest, *what: str) -> str:
    """The cache's key of something that is for the user who asks alone."""
    whose = (request.user.id, request.user.project_id, *what)
    return 'hpc-' + hashlib.sha256(repr(whose).encode()).hexdigest()


#: Seconds for which a form's blueprint is kept, and what of it.
_KEPT_FOR = 3600
_KEPT = ('name', 'version', 'label', 'parameters', 'backends', 'allowed')


def blueprint(request: http.HttpRequest, hpc: proxy.Proxy, name: str
              ) -> Mapping[str, Any]:
    """What a form is made of: all of a blueprint but what one reads of it.

    The service is asked when the form is shown. What is typed into it, and
    sent again and again, is read by what it was made of then.

    :param name: ``name`` or ``name@version``.
    """
    place = key(request, 'blueprint', name)
    kept: Mapping[str, Any] | None = (
        cache.cache.get(place) if request.method == 'POST' else None)
    if kept is None:
        found = hpc.get_blueprint(name)
        kept = {word: found[word] for word in _KEPT}
        cache.cache.set(place, kept, _KEPT_FOR)
    return kept
