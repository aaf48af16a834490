// Section: gates, attention and Jacobians, on one sequence.

const PARTS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ', FAINTEST = 0.01;
const ENDS = ['at initialisation', 'after training'];

// A letter as a share of the colour, from 0 to 1, and as percent.
const shareOf = (letter) => PARTS.indexOf(letter) / (PARTS.length - 1);
function percentOf(letter, attention) {
  const share = shareOf(letter);
  return attention ? FAINTEST * (100 / FAINTEST) ** share : 100 * share;
}

// Rows of letters as rectangles; equal neighbours in one. edges: where columns begin, and the end of the last.
function heatCells(rows, edges, titleOf) {
  return (frame) => rows.flatMap((row, number) => {
    const cells = [];
    for (let start = 0; start < row.length;) {
      let end = start + 1;
      while (!titleOf && end < row.length && row[end] === row[start]) end += 1;
      if (shareOf(row[start]) > 0) {
        const left = frame.x(edges[start]), top = frame.y(number);
        cells.push(draw('rect', { class: 'part', 'fill-opacity': shareOf(row[start]).toFixed(3), x: left.toFixed(1), y: top.toFixed(1), width: (frame.x(edges[end]) - left).toFixed(1),
          height: (frame.y(number + 1) - top).toFixed(1) }, titleOf && draw('title', {}, titleOf(number, start))));
      }
      start = end;
    }
    return cells;
  });
}

function rowAxis(count, texts, label) {
  return { domain: [count, 0], ticks: texts.map((_, index) => index + 0.5), format: (at) => texts[Math.floor(at)], label, plain: true };
}

function wholePicture(group, { title, attention, steps, rows, note }) {
  const edges = [...steps, 2 * steps[steps.length - 1] - (steps[steps.length - 2] || 0)];
  const texts = rows.map((_, index) => String(attention ? index - rows.length : index + 1));
  const name = `${group.label}: ${title}`;
  return figure(name, chart({ width: 420, height: 60 + 14 * rows.length, x: { domain: [0, edges[edges.length - 1]], label: 'step of the sequence' },
    y: rowAxis(rows.length, texts, attention ? 'answer' : 'unit'), layers: [heatCells(rows, edges)], name: `${name} over the whole sequence` }), note,
  { columns: ['row', 'step', 'percent, rounded to 62 levels'], rows: rows.flatMap((row, number) => [...row].map((letter, index) => [texts[number], steps[index], +percentOf(letter, attention).toPrecision(3)])), legend: false });
}

function closePicture(group, closeup, { title, attention, rows }, width) {
  const { steps, columns: places, read: symbols, answers } = closeup;
  const texts = attention ? answers : rows.map((_, index) => String(index + 1));
  const spread = rows.map((row) => places.map((place) => place === null ? '0' : row[place]).join(''));
  const edges = Array.from({ length: places.length + 1 }, (_, index) => index);
  const deep = Math.max(...symbols.map((text) => text.length)), name = `${group.label}: ${title}, with symbols`;
  const left = 12 + 6.7 * Math.max(...texts.map((text) => text.length));
  const gaps = (frame) => places.map((place, index) => place === null && draw('rect', { class: 'left-out', x: frame.x(index), y: frame.top, width: frame.x(index + 1) - frame.x(index), height: frame.bottom - frame.top }, draw('title', {}, 'steps left out')));
  const below = { domain: [0, places.length], ticks: edges.slice(0, -1).map((index) => index + 0.5), label: 'what is read at the step; grey: steps left out', symbols: deep > 2 ? deep : 1,
    format: (at) => places[Math.floor(at)] === null ? '…' : symbols[places[Math.floor(at)]] };
  const said = (row, index) => `${texts[row]}, step ${steps[places[index]]} (${symbols[places[index]]}): ${number(percentOf(spread[row][index], attention))} %`;
  return figure(name, chart({ width, left, height: 60 + 15 * rows.length + (deep > 2 ? 6.7 * deep : 0), x: below, y: rowAxis(rows.length, texts, attention ? 'answer' : 'unit'),
    layers: [gaps, heatCells(spread, edges, said)], name }), attention ? 'Beside each row: what is read → what is asked.' : null,
  { columns: ['row', 'step', 'symbol', 'percent, rounded to 62 levels'], rows: rows.flatMap((row, number) => [...row].map((letter, place) => [texts[number], steps[place], symbols[place], +percentOf(letter, attention).toPrecision(3)])), legend: false });
}

// -- Jacobians -------------------------------------------------------------------------------------------------------

function singularValues(group) {
  const held = group.inside.jacobians;
  const values = held.flatMap((one) => [...one.lowest, ...one.highest]).map((value) => Math.max(value, 1e-8));
  const layers = held.flatMap((one, moment) => {
    const points = one.steps.map((step, index) => [step, ...[one.median, one.lowest, one.highest].map((list) => Math.max(list[index], 1e-8))]);
    return [(frame) => draw('g', { class: `moment-${moment}` }, draw('path', { class: 'band', d: `${path(points.map(([x, , low]) => [x, low]), frame)}${path(points.map(([x, , , high]) => [x, high]).reverse(), frame).replace('M', 'L')}Z` }),
      draw('path', { class: 'line', 'stroke-dasharray': moment ? null : '4 3', d: path(points, frame) }, draw('title', {}, ENDS[moment])))];
  });
  const y = { log: true, domain: domainOf([...values, 1], true), label: 'singular value' };
  return figure(`${group.label}: singular values of the Jacobian`, chart({ width: 420, height: 240, x: { domain: [0, Math.max(...held[0].steps)], label: 'step of the sequence' }, y,
    layers: [reference([[0, 1]], 'kept', false, true), ...layers], name: `${group.label}: singular values of the state’s Jacobian along a sequence` }), null,
  { columns: ['moment', 'step', 'least', 'median', 'largest'], rows: held.flatMap((one, moment) => one.steps.map((step, index) => [ENDS[moment], step, one.lowest[index], one.median[index], one.highest[index]])), legend: false });
}

function spectra(groups) {
  const shown = groups.filter((group) => group.inside.jacobians && isShown(group.label));
  return ENDS.map((when, moment) => {
    const lines = shown.filter((group) => group.inside.jacobians[moment]).map((group) => {
      const values = group.inside.jacobians[moment].lyapunov;
      return { label: group.label, points: values.map((value, index) => [(index + 0.5) / values.length, value === null ? NaN : value]) };
    });
    const all = lines.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite);
    if (!all.length) return null;
    const y = { domain: domainOf([Math.max(-6, Math.min(...all)), Math.max(...all), 0]), label: 'exponent (nats per step)' };
    const x = { domain: [0, 1], label: 'share of the state’s directions (%)', format: (value) => String(Math.round(100 * value)) };
    return figure(`Lyapunov spectrum ${when}`, chart({ width: 420, height: 260, x, y, layers: [reference([[0, 0]], 'kept', false, true), ...lines.map(({ label, points }) => line(points, label, { title: label }))],
      name: `Lyapunov spectrum ${when}` }), null, { columns: ['model', 'share of directions', 'exponent'], rows: lines.flatMap(({ label, points }) => points.map((point) => [label, ...point])) });
  }).filter(Boolean);
}

// -- the section -----------------------------------------------------------------------------------------------------

function insideView(topics, state, change) {
  const topic = topics.find((one) => one.name === state.topic) || topics[0];
  const all = topic.lines.flatMap((one) => one.groups).map((place) => data.groups[place]).filter((group) => group.inside);
  const lengths = topic.lengths.filter((length) => all.some((group) => group.length === length));
  const length = lengths.includes(Number(state.length)) ? Number(state.length) : lengths[Math.min(1, lengths.length - 1)];
  const groups = all.filter((group) => group.length === length);
  const drawn = groups.filter((group) => group.inside.pictures);
  const group = drawn.find((one) => one.model === state.model) || drawn[0];
  const states = groups.filter((one) => one.inside.jacobians);
  const width = wide(document.getElementById('inside'));
  const { closeup } = group ? group.inside : {};
  return [make('div', { class: 'controls' },
    control('topic', dropDown('Task', topics.map((one) => [one.name, one.title]), topic.name, (value) => change({ topic: value }))),
    control('length', dropDown('Length', lengths.map((one) => [String(one), `T = ${whole(one)}`]), String(length), (value) => change({ length: value }))),
    group && control('model', dropDown('Gates and attention of', drawn.map((one) => [one.model, one.label]), group.model, (value) => change({ model: value })))),
  group && make('h3', {}, `Gates and attention: ${group.label}, T = ${whole(length)}`),
  group && make('p', { class: 'quiet' }, 'Colour: 0 (clear) to 100 % (full); of gates evenly, of attention weights by powers of ten from 0.01 %. '
    + `One validation sequence after training, seed ${group.inside.seed}. Gates: the first units of the first layer, 100 % is open. Attention: the last answered steps.`),
  closeup && make('div', {}, closeup.pictures.map((picture) => closePicture(group, closeup, picture, width))),
  group && make('div', { class: 'panels wide' }, group.inside.pictures.map((picture) => wholePicture(group, picture))),
  states.length && make('h3', {}, 'Jacobian of the state'),
  states.length && legend(states.map((one) => one.label)),
  states.length && make('div', { class: 'panels wide' }, spectra(states), states.filter((one) => isShown(one.label)).map(singularValues)),
  states.length && make('p', { class: 'quiet' }, 'Of ∂state(t)/∂state(t−1), 4 sequences, one seed. Above 1, or above 0 of the spectrum, a direction grows in a step. Singular values: line the median, band least to largest; red and dashed at initialisation, blue after training.'),
  filesOf(topic, /^(gates|attention|jacobian|lyapunov)/)];
}

function inside(section) {
  const topics = data.topics.filter((topic) => topic.groups.some((place) => data.groups[place].inside));
  if (!topics.length) return;
  const state = { topic: topics[0].name, ...parameters('inside') };
  const show = () => keepingFocus(section, () => section.replaceChildren(...insideView(topics, state, (changes) => {
    Object.assign(state, changes);
    writeAddress('inside', asParameters(state));
    show();
  }).filter(Boolean)));
  inside.route = () => Object.assign(state, parameters('inside'));
  inside.redraw = show;
  redraws.push(show);
  show();
}
