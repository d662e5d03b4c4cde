// Licensed under the Apache License, Version 2.0 (the "License"); you may
// not use this file except in compliance with the License. You may obtain
// a copy of the License at
//
//      https://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
// WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
// License for the specific language governing permissions and limitations
// under the License.

// What moves on the pages of clusters. A page works without it, as it was when
// it was asked for. HTML comes from our own templates, which have escaped all
// that people and machines wrote.
(() => {
  'use strict';

  const HIDDEN = 15;
  const LOG_LINES = 2000;
  const WAIT_AFTER_TROUBLE = 10;
  const REVIEW_AFTER = 600;
  // Without it a session that is over is answered by the login's page.
  const HEADERS = {'X-Requested-With': 'XMLHttpRequest'};

  // What stands in place of an element of the page, by id.
  function replace(id, html) {
    const old = document.getElementById(id);
    if (!old) return;
    const holder = document.createElement('template');
    holder.innerHTML = html.trim();
    const fresh = holder.content.firstElementChild;
    if (!fresh || fresh.isEqualNode(old)) return;
    const focused = old.contains(document.activeElement)
      ? document.activeElement.id : '';
    const opened = [...old.querySelectorAll('details')].map((one) => one.open);
    fresh.querySelectorAll('details').forEach((one, place) => {
      one.open = one.open || Boolean(opened[place]);
    });
    old.replaceWith(fresh);
    if (focused) document.getElementById(focused)?.focus();
  }

  function append(id, lines) {
    const list = document.getElementById(id);
    if (!list || !lines.length) return;
    const holder = document.createElement('template');
    holder.innerHTML = lines.join('');
    list.append(holder.content);
    while (list.childElementCount > LOG_LINES) list.firstElementChild.remove();
    toEnd(list);
  }

  function toEnd(list) {
    if (document.getElementById('hpc-follow')?.checked) {
      list.scrollTop = list.scrollHeight;
    }
  }

  // Returns whether the picture has all that there is: layers come to machines
  // that it was drawn without.
  function colour(nodes) {
    let complete = true;
    for (const [name, how] of Object.entries(nodes)) {
      const node = document.querySelector(`[data-node="${CSS.escape(name)}"]`);
      if (!node) continue;
      node.setAttribute('class', `hpc-node hpc-${how.status}`);
      node.querySelectorAll('[data-element]').forEach((layer) => {
        const state = how.layers[layer.dataset.element] || 'absent';
        layer.setAttribute('class', `hpc-layer hpc-${state}`);
      });
      if ('layered' in node.dataset) {
        complete = complete && Object.keys(how.layers).every((element) => (
          node.querySelector(`[data-element="${CSS.escape(element)}"]`)));
      }
    }
    return complete;
  }

  function trouble(place, sentence) {
    let said = place.querySelector(':scope > .hpc-trouble');
    if (!sentence) {
      said?.remove();
      return;
    }
    if (!said) {
      said = document.createElement('p');
      said.className = 'alert alert-warning hpc-trouble';
      said.setAttribute('role', 'status');
      place.prepend(said);
    }
    said.textContent = sentence;
  }

  // Asks again and again, each time when the answer says; seldom while nobody
  // looks. What is asked with are the data-ask-... of the place.
  async function poll(place) {
    const url = new URL(place.dataset.poll, location.href);
    for (const [name, value] of Object.entries(place.dataset)) {
      if (name.startsWith('ask')) {
        url.searchParams.set(name.slice(3).toLowerCase(), value);
      }
    }
    let wait = WAIT_AFTER_TROUBLE;
    try {
      const answer = await fetch(url, {headers: HEADERS});
      const found = await answer.json().catch(() => ({}));
      if (answer.status === 401) {
        location.reload();
        return;
      }
      if (found.reload) {
        location.reload();
        return;
      }
      trouble(place, answer.ok ? '' : found.trouble || answer.statusText);
      if (answer.ok) {
        Object.entries(found.fragments || {}).forEach(
          ([id, html]) => replace(id, html));
        Object.entries(found.append || {}).forEach(
          ([id, lines]) => append(id, lines));
        const complete = colour(found.nodes || {});
        // What another script of the page draws.
        if (found.numbers) {
          place.dispatchEvent(new CustomEvent('hpc-numbers',
            {detail: found.numbers}));
        }
        if (found.title) document.title = found.title;
        if (found.next) place.dataset.askSince = found.next;
        Object.entries(found.ask || {}).forEach(([name, value]) => {
          place.dataset[`ask${name[0].toUpperCase()}${name.slice(1)}`] = value;
        });
        if (!complete) place.dataset.askPicture = '1';
        wait = found.wait;
      }
    } catch (gone) {
      trouble(place, String(gone));
    }
    if (wait) later(place, wait);
  }

  function later(place, seconds) {
    const wait = document.hidden ? Math.max(seconds, HIDDEN) : seconds;
    setTimeout(() => poll(place), wait * 1000);
  }

  // The form of a new cluster says what it would do, as somebody types.
  function review(form) {
    let timer = 0;
    let asked = 0;
    const ask = async () => {
      const mine = ++asked;
      const answer = await fetch(form.dataset.review, {
        method: 'POST', headers: HEADERS, body: new FormData(form)});
      const found = await answer.json().catch(() => ({}));
      if (mine !== asked) return;
      trouble(form, answer.ok ? '' : found.trouble || answer.statusText);
      if (!answer.ok) return;
      Object.entries(found.fragments).forEach(([id, html]) => replace(id, html));
      form.querySelectorAll('[data-error]').forEach((place) => {
        const why = found.errors[place.dataset.error] || '';
        place.textContent = why;
        place.closest('.form-group').classList.toggle('has-error', why !== '');
        if (why) place.closest('details')?.setAttribute('open', '');
      });
    };
    form.addEventListener('input', () => {
      clearTimeout(timer);
      timer = setTimeout(() => ask().catch(() => {}), REVIEW_AFTER);
    });
    ask().catch(() => {});
  }

  // A row more in a table of a form. The blank one has "__row__" in its names.
  function addRow(button) {
    const rows = button.closest('.hpc-rows');
    const blank = rows.querySelector(':scope > template');
    const number = rows.querySelectorAll(':scope > .hpc-row').length;
    const fresh = blank.content.cloneNode(true);
    fresh.querySelectorAll('*').forEach((element) => {
      for (const attribute of element.attributes) {
        if (attribute.value.includes('__row__')) {
          attribute.value = attribute.value.replaceAll(
            '__row__', number);
        }
      }
    });
    const row = fresh.firstElementChild;
    rows.insertBefore(fresh, blank);
    row.querySelector('input:not([type=hidden]), textarea, select')?.focus();
  }

  // What the cloud offers for a field is asked for when somebody comes to it.
  const offers = new Map();
  async function offer(field) {
    const url = field.dataset.offers;
    delete field.dataset.offers;
    if (!offers.has(url)) {
      offers.set(url, fetch(url, {headers: HEADERS})
        .then((answer) => answer.json()).catch(() => ({choices: []})));
    }
    const {choices} = await offers.get(url);
    if (!choices?.length) return;
    if (field.tagName === 'TEXTAREA') adding(field, choices);
    else field.setAttribute('list', listed(url, choices));
  }

  function options(holder, choices) {
    holder.append(...choices.map((one) => {
      const option = document.createElement('option');
      option.value = one.value;
      option.textContent = one.label;
      return option;
    }));
  }

  // What an input may be filled with; the same for all that ask for it.
  function listed(url, choices) {
    const id = `hpc-offers-${url.split('/').pop()}`;
    if (!document.getElementById(id)) {
      const list = document.createElement('datalist');
      list.id = id;
      options(list, choices);
      document.getElementById('hpc').append(list);
    }
    return id;
  }

  // A choice becomes a line more.
  function adding(area, choices) {
    const select = document.createElement('select');
    select.className = 'form-control hpc-offers';
    select.setAttribute('aria-label', area.dataset.words);
    options(select, [{value: '', label: area.dataset.words}, ...choices]);
    select.addEventListener('change', () => {
      if (!select.value) return;
      area.value = [area.value.trimEnd(), select.value]
        .filter(Boolean).join('\n');
      select.value = '';
      area.dispatchEvent(new Event('input', {bubbles: true}));
    });
    area.after(select);
  }

  document.addEventListener('focusin', (event) => {
    const field = event.target.closest('[data-offers]');
    if (field) offer(field);
  });

  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-copy], [data-add-row]');
    if (!button) return;
    if ('addRow' in button.dataset) {
      addRow(button);
      return;
    }
    const source = button.dataset.copy
      ? document.getElementById(button.dataset.copy)
      : button.parentElement.querySelector('code');
    navigator.clipboard.writeText(source.textContent);
  });

  document.querySelectorAll('[data-poll]').forEach((place) => {
    const wait = Number(place.dataset.wait);
    if (wait) later(place, wait); else poll(place);
  });
  document.querySelectorAll('[data-review]').forEach(review);
  const log = document.getElementById('hpc-log');
  if (log) toEnd(log);
})();
