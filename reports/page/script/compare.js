// Section: any cells or groups side by side.

function pickers() {
  const of = (kind) => data.topics.map((topic) => [topic.title, topic.groups.flatMap((place) => {
    const group = data.groups[place];
    const name = `${group.label} · T = ${whole(group.length)}${group.difference ? ` · ${group.difference}` : ''}`;
    if (kind === 'group') return [[group.key, `${name} · n = ${group.n}`]];
    return group.cells.map((index) => [data.cells[index].key, `${name} · seed ${data.cells[index].seed} · rate ${rate(data.cells[index].learning_rate)} · ${data.cells[index].outcome}`]);
  })]);
  const picker = (kind, label) => {
    const list = dropDown(label, of(kind), null, () => {});
    const add = () => choose([...chosen, list.querySelector('select').value]);
    return make('div', { class: 'picker', 'data-picker': kind }, list, make('button', { type: 'button', click: add }, `Add this ${kind}`));
  };
  return make('div', { class: 'controls' }, picker('group', 'Groups (all seeds)'), picker('cell', 'Cells (one seed, one rate)'));
}

function compare(section) {
  const picked = make('div', { 'aria-live': 'polite' }), result = make('div', {});
  const show = () => {
    const items = chosen.map((key, index) => ({ ...byKey.get(key), key, letter: letterOf(index), dash: DASHES[index % DASHES.length] }));
    document.getElementById('chosen').textContent = items.length ? ` (${items.length})` : '';
    picked.replaceChildren(chips(items));
    result.replaceChildren(...comparison(items));
  };
  listeners.push(show);
  compare.redraw = show;
  section.replaceChildren(pickers(), picked, result);
  show();
}

function chips(items) {
  if (!items.length) return make('p', {}, 'Choose two or more: here, or by the boxes in the table of cells. The choice is part of the address, so the link can be sent.');
  const remove = (item) => make('button', { type: 'button', 'aria-label': `Remove ${item.letter}`, click: () => toggle(item.key) }, '×');
  return make('ul', { class: 'chips' }, items.map((item) => make('li', {}, make('b', {}, item.letter), ' ', swatch(item.group.label, item.dash), ' ', itemName(item), ' ', remove(item))),
    make('li', { class: 'plain' }, make('button', { type: 'button', click: () => choose([]) }, 'Clear')));
}

function comparison(items) {
  if (!items.length) return [];
  return [scoreTable(items), differences(items), settingsTable(items), trainingCurves(items), profiles(items), samples(items)].filter(Boolean);
}

function heads(items) {
  return items.map((item) => ({ class: 'number', node: make('span', {}, make('b', {}, item.letter), ` ${item.group.label}`) }));
}

// -- scores ----------------------------------------------------------------------------------------------------------

const CELL_ROWS = [
  ['test score', ({ cell }) => number(cell.score)], ['unit', (item) => item.group.metric ? metricOf(item.group) : NOTHING],
  ['spread', () => 'n = 1'], ['n (seeds)', () => '1'], ['chance', ({ group }) => number(group.chance)],
  ['skill (0 chance, 1 perfect)', ({ cell }) => number(cell.skill)], ['outcome', ({ cell }) => cell.outcome],
  ['solved at (steps)', ({ cell, group }) => cell.solved_at_step ? whole(cell.solved_at_step) : group.solved === undefined || !['ok', 'diverged'].includes(cell.status) ? NOTHING : `> ${whole(cell.step_budget)}`],
  ['learning rate', ({ cell }) => rate(cell.learning_rate)], ['seconds per cell', ({ cell }) => number(cell.seconds)],
  ['peak memory (MiB)', ({ cell }) => number(cell.peak_memory_mb)], ['memory horizon (positions)', ({ cell }) => number(cell.memory_horizon)],
];
const GROUP_ROWS = {
  'test score': ({ group }) => group.score_text, spread: ({ group }) => group.spread || NOTHING,
  'n (seeds)': ({ group }) => String(group.n) + (group.failed ? `, ${group.failed} failed` : '') + (group.diverged ? `, ${group.diverged} diverged` : ''),
  'skill (0 chance, 1 perfect)': ({ group }) => number(group.skill) + (group.equals_chance ? ' =' : ''), outcome: ({ group }) => group.outcome_text,
  'solved at (steps)': ({ group }) => group.solved_text || NOTHING,
  'learning rate': ({ group }) => rate(group.rate) + (group.on_edge ? ' * (edge of the grid)' : ''),
  'seconds per cell': ({ group }) => number(group.cost && group.cost.seconds), 'peak memory (MiB)': ({ group }) => number(group.cost && group.cost.memory),
  'memory horizon (positions)': ({ group }) => number(group.horizon),
};

function scoreTable(items) {
  const rows = CELL_ROWS.map(([name, ofCell]) => [name, ...items.map((item) => {
    const read = item.kind === 'group' && GROUP_ROWS[name] ? GROUP_ROWS[name] : ofCell;
    return { class: 'number', text: read(item) };
  })]).filter(([, ...cells]) => cells.some(({ text }) => text !== NOTHING));
  return make('article', {}, make('h3', {}, 'Scores'), table(['quantity', ...heads(items)], rows,
    'Of groups: mean (n ≥ 5) or median at the learning rate chosen on validation. =: merely equals the trivial baseline'));
}

// -- the difference --------------------------------------------------------------------------------------------------

const tested = new Map(data.tests.map(([first, second, p, what, differ]) => [`${first} ${second}`, { p, what, differ }]));

function testOf(a, b) {
  if (a.kind !== 'group' || b.kind !== 'group') return 'single cells: a test needs groups of at least 4 seeds a side';
  if (a.group.n < 4 || b.group.n < 4) return `no test: needs at least 4 seeds a side, there are ${a.group.n} and ${b.group.n}`;
  const test = tested.get([a.index, b.index].sort((x, y) => x - y).join(' '));
  if (!test) return 'no test: not of one task, length and setting';
  return `p = ${number(test.p)} (${test.what})${test.differ ? ': differ' : ': no difference shown'}`;
}

function differences(items) {
  if (items.length < 2) return make('p', {}, 'Choose one more to see what differs.');
  const rows = [];
  const scoreOf = (item) => item.kind === 'cell' ? item.cell.score : item.group.score;
  const stepOf = (item) => item.kind === 'cell' ? item.cell.solved_at_step : item.group.solved_at;
  const unitOf = (item) => item.group.metric ? metricOf(item.group) : NOTHING;
  const signed = (value) => Number.isFinite(value) ? (value > 0 ? '+' : '') + number(value) : NOTHING;
  for (let second = 1; second < items.length; second += 1) {
    for (let first = 0; first < second; first += 1) {
      const a = items[first], b = items[second];
      if (data.topics[a.group.topic].task !== data.topics[b.group.topic].task) continue; // nothing to subtract
      rows.push([`${b.letter}\u00a0−\u00a0${a.letter}`, { class: 'number', text: signed(scoreOf(b) - scoreOf(a)) },
        { class: 'number', text: signed(stepOf(b) - stepOf(a)) }, unitOf(b), { text: testOf(a, b) }]);
    }
  }
  if (!rows.length) return make('p', {}, 'Of different tasks: there is no difference to take.');
  return make('article', {}, make('h3', {}, 'Difference'), table(['pair', { class: 'number', text: 'test score' }, { class: 'number', text: 'steps to solve' }, 'unit of the score', 'test'], rows,
    `Exact two-sided permutation test over seeds; ${plural(rows.length, 'comparison')} here, p not corrected for their number`));
}

// -- settings that differ --------------------------------------------------------------------------------------------

function settingsTable(items) {
  if (items.length < 2) return null;
  const values = (item, column) => {
    const places = item.kind === 'cell' ? [item.index] : item.group.chosen;
    const distinct = [...new Set(places.map((place) => data.settings.rows[place][column]))];
    const texts = distinct.map((value) => value === null ? NOTHING : typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value));
    return texts.length > 8 ? `${texts.length} different` : texts.join(', ');
  };
  const all = data.settings.names.map((name, column) => [name, ...items.map((item) => values(item, column))]);
  const differing = all.filter(([, first, ...others]) => others.some((other) => other !== first))
    .map(([name, ...texts]) => [name, ...texts.map((text) => ({ text, class: text.length > 24 ? 'long' : null }))]);
  const caption = `${plural(all.length - differing.length, 'setting')} the same in all`;
  return make('article', {}, make('h3', {}, 'Settings that differ'),
    differing.length ? table(['setting', ...heads(items)], differing, caption) : make('p', {}, `None: ${caption}.`));
}

// -- curves, profiles, samples ---------------------------------------------------------------------------------------

function overlaid(items, title, { points, log, label, references }) {
  const layers = [], held = [], steps = [], rows = [];
  for (const item of items) {
    const many = item.cells.length > 1;
    for (const cell of item.cells) {
      const curve = points(cell).map(([x, y]) => [x, log && y <= 0 ? NaN : y]);
      held.push(...curve.map(([, y]) => y));
      steps.push(...curve.map(([x]) => x));
      rows.push(...curve.map((point) => [item.letter, item.group.label, cell.seed, ...point]));
      layers.push(line(curve, item.group.label, { dash: item.dash, thin: many, title: `${item.letter}, seed ${cell.seed}` }));
      const last = curve.filter(([, y]) => Number.isFinite(y)).pop();
      const aside = 3 + 9 * items.indexOf(item);
      if (last && cell === item.cells[0]) layers.push((frame) => draw('text', { class: 'tag', x: frame.x(last[0]) + aside, y: frame.y(last[1]) + 4 }, item.letter));
    }
  }
  if (!held.some(Number.isFinite)) return null;
  const lines = references || [];
  for (const [where] of lines) held.push(...where.map(([, y]) => y));
  const x = { domain: [0, Math.max(...steps) * (1.03 + 0.03 * items.length)], label: 'training step' };
  return figure(title, chart({ width: 420, height: 260, x, y: { log, domain: domainOf(held, log), label }, name: title,
    layers: [...lines.map(([where, name, dashed]) => reference(where, name, dashed)), ...layers] }), seedNote(items),
    { columns: ['which', 'model', 'seed', 'step', label], rows, legend: false });
}

function seedNote(items) {
  return items.map((item) => `${item.letter}: n = ${item.cells.length}`).join(', ') + '; every seed is a line.';
}

function trainingCurves(items) {
  const topics = [...new Set(items.map((item) => item.group.topic))];
  const validation = topics.map((place) => {
    const topic = data.topics[place], own = items.filter((item) => item.group.topic === place);
    const chance = own[0].group.chance;
    return overlaid(own, `Validation score: ${topic.title}`, { points: (cell) => cellCurve(cell, 'score'),
      log: topic.logarithmic, label: metricOf(topic), references: chance === undefined ? [] : [[[[0, chance]], 'chance', true]] });
  });
  const loss = topics.map((place) => overlaid(items.filter((item) => item.group.topic === place), `Training loss: ${data.topics[place].title}`,
    { points: (cell) => cellCurve(cell, 'loss'), log: true, label: 'loss (as trained)' }));
  const norm = overlaid(items, 'Gradient norm before clipping', { points: (cell) => cellCurve(cell, 'norm'), log: true, label: 'norm over all parameters' });
  const figures = [...validation, ...loss, norm].filter(Boolean);
  return figures.length ? make('article', {}, make('h3', {}, 'Training'), make('div', { class: 'panels wide' }, figures),
    make('p', { class: 'quiet' }, 'Loss and norm: medians over at most 100 stretches of steps.')) : null;
}

function profiles(items) {
  const groups = [...new Set(items.map((item) => item.group))].filter((group) => group.summaries);
  if (!groups.length) return null;
  const quantities = quantitiesOf(groups);
  const state = { quantity: quantities[0], moment: 'end' };
  const box = make('div', {});
  const pointsOf = (item) => item.kind === 'cell' ? cellPoints(item.cell, state.moment, state.quantity) : groupPoints(item.group, state.moment, state.quantity);
  const show = () => {
    const lines = items.map((item) => ({ label: item.group.label, dash: item.dash, points: pointsOf(item) })).filter(({ points }) => points.length);
    const reach = Math.max(0, ...groups.map((group) => group.reach || 0));
    const shown = items.filter((item) => pointsOf(item).length).map((item) => `${item.letter}: ${item.group.label}, n = ${item.cells.length}`).join('; ');
    box.replaceChildren(lines.length ? figure(`Gradient of the ${quantityName(state.quantity)}`, profileChart(lines, { reach, width: wide(document.getElementById('compare')), name: `Gradient of the ${quantityName(state.quantity)}, compared` }),
      `${shown}. ${PROFILE_NOTE}`, { columns: ['which', 'model', 'distance k', 'log10 of the norm'], rows: items.flatMap((item) => pointsOf(item).map((point) => [item.letter, item.group.label, ...point])), legend: false }) : make('p', {}, 'None of them holds this profile.'));
  };
  show();
  return make('article', {}, make('h3', {}, 'Gradient profiles'), make('div', { class: 'controls' },
    dropDown('With respect to', quantities.map((one) => [one, quantityName(one)]), state.quantity, (value) => { state.quantity = value; show(); }),
    choices('At', MOMENTS, state.moment, (value) => { state.moment = value; show(); })), box);
}

function samples(items) {
  const sampled = items.map((item) => ({ item, cell: item.cells.find((cell) => cell.sample) })).filter(({ cell }) => cell);
  if (!sampled.length) return null;
  return make('article', {}, make('h3', {}, 'Samples'), make('div', { class: 'panels wide' }, sampled.map(({ item, cell }) =>
    figure(`${item.letter} ${item.group.label}, T = ${whole(item.group.length)}, seed ${cell.seed}`, make('pre', { class: 'sample' }, cell.sample)))));
}
