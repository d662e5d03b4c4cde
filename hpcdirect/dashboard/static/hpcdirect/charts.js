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

// Draws the numbers of a cluster, each time that they come (live.js asks).
(() => {
  'use strict';

  // Okabe and Ito's colours; more series are told apart by dashes.
  const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00',
    '#56b4e9', '#8c6d1f'];
  const HEIGHT = 180;
  const OLD = 120;
  const MARKS = 'rgba(128, 128, 128, .5)';
  const charts = new Map();
  let done = [];

  const named = (series) => [series.node, series.name]
    .filter(Boolean).join(' ') || '·';

  function value(number, unit) {
    if (number === null || number === undefined) return '–';
    if (unit === 'share') return `${(100 * number).toFixed(0)} %`;
    if (unit === 'percent') return `${number.toFixed(1)} %`;
    const steps = ['', 'k', 'M', 'G', 'T'];
    let place = 0;
    let shown = number;
    while (Math.abs(shown) >= 1000 && place < steps.length - 1) {
      shown /= 1000;
      place += 1;
    }
    return `${Number(shown.toPrecision(3))} ${steps[place]}`.trim();
  }

  // What the legend tells: what is pointed at, else the last there is.
  const told = (say) => (chart, number, place, index) => say(
    Number.isInteger(index) ? number : known(chart.data[place] || []));

  const known = (numbers) => numbers.findLast((number) => number !== null);

  function options(figure, metric) {
    const ink = getComputedStyle(figure).color;
    const place = figure.querySelector('.hpc-chart');
    const axis = {stroke: ink, grid: {stroke: 'rgba(128, 128, 128, .2)'}};
    return {
      width: place.clientWidth,
      height: HEIGHT,
      series: [{
        label: place.dataset.time,
        value: told((moment) => (moment
          ? new Date(1000 * moment).toLocaleString() : '–')),
      }, ...metric.series.map((one, number) => ({
        label: named(one),
        stroke: COLOURS[number % COLOURS.length],
        dash: number < COLOURS.length ? [] : [6, 3],
        value: told((found) => value(found, metric.unit)),
      }))],
      axes: [axis, {...axis, size: 70,
        values: (chart, ticks) => ticks.map((one) => value(one, metric.unit))}],
      hooks: {drawClear: [marks]},
      scales: {y: {range: (chart, low, high) => [
        Math.min(0, low), high > 0 ? high * 1.05 : 1]}},
    };
  }

  // When something was done to the cluster: a band behind the lines.
  function marks(chart) {
    const {left, top, width, height} = chart.bbox;
    chart.ctx.save();
    chart.ctx.fillStyle = MARKS;
    done.forEach((one) => {
      const begin = Math.max(chart.valToPos(one.begin, 'x', true), left);
      const end = Math.min(chart.valToPos(one.end, 'x', true), left + width);
      if (begin <= left + width && end >= left) {
        chart.ctx.fillRect(begin, top, Math.max(end - begin, 2), height);
      }
    });
    chart.ctx.restore();
  }

  // For who sees no canvas.
  function table(figure, metric) {
    const rows = metric.series.map((one) => {
      const row = document.createElement('tr');
      const name = document.createElement('th');
      const last = document.createElement('td');
      name.scope = 'row';
      name.textContent = named(one);
      last.textContent = value(known(one.y), metric.unit);
      row.append(name, last);
      return row;
    });
    figure.querySelector('details tbody').replaceChildren(...rows);
  }

  function draw(figure, metric, x) {
    const place = figure.querySelector('.hpc-chart');
    figure.querySelector('.hpc-reason').textContent = metric.reason;
    place.hidden = metric.reason !== '';
    if (metric.reason) return;
    table(figure, metric);
    const data = [x, ...metric.series.map((one) => one.y)];
    const drawn = charts.get(metric.name);
    const labels = metric.series.map(named).join('\n');
    if (drawn && drawn.labels === labels) {
      drawn.chart.setData(data);
      return;
    }
    if (drawn) drawn.chart.destroy();
    charts.set(metric.name, {
      labels, chart: new uPlot(options(figure, metric), data, place)});
  }

  function aged(at) {
    const place = document.getElementById('hpc-age');
    const moment = new Date(at);
    place.textContent = at
      ? place.dataset.words.replace('%s', moment.toLocaleTimeString()) : '';
    const old = at && Date.now() - moment > OLD * 1000;
    document.querySelectorAll('.hpc-chart').forEach((chart) => {
      chart.classList.toggle('hpc-old', Boolean(old));
    });
  }

  document.querySelectorAll('[data-poll]').forEach((place) => {
    place.addEventListener('hpc-numbers', (event) => {
      const found = event.detail;
      aged(found.at);
      done = found.deployments.map((one) => ({
        begin: Date.parse(one.created_at) / 1000,
        end: (one.finished_at ? Date.parse(one.finished_at) : Date.now())
          / 1000}));
      found.metrics.forEach((metric) => {
        const figure = place.querySelector(
          `[data-metric="${CSS.escape(metric.name)}"]`);
        if (figure) draw(figure, metric, found.x);
      });
    });
  });
})();
