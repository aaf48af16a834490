// Section: how strongly the answer depends on what lies k positions back.

const MOMENTS = [['initialisation', 'initialisation'], ['middle', 'middle of training'], ['end', 'end of training']];
const VANISHING = -6, EXPLODING = 3; // powers of ten over the reach: where the verdicts are drawn

function quantityName(quantity) {
  const names = new Map([['hidden', 'hidden state'], ['cell', 'cell state'], ['context', 'context vector']]);
  return names.get(quantity) || (quantity.startsWith('residual.') ? `input of block ${quantity.slice(9)}` : quantity);
}

// Points [distance, power of ten] of a stored profile.
function profilePoints(held, quantity) {
  const values = held && held.profiles[quantity];
  return values ? values.map((value, index) => [data.distances[held.distances][index], power(value, data.profile_scale)]) : [];
}

function cellPoints(cell, moment, quantity) {
  return profilePoints(cell.flow && cell.flow[moment], quantity);
}

// Over the seeds of a group: the stored median, or the only seed's.
function groupPoints(group, moment, quantity) {
  const median = profilePoints(group.typical && group.typical[moment], quantity);
  if (median.length) return median;
  return group.chosen.map((place) => cellPoints(data.cells[place], moment, quantity)).find((points) => points.length) || [];
}

function quantitiesOf(groups) {
  const names = new Set(groups.flatMap((group) => Object.values(group.summaries || {}).flatMap((one) => Object.keys(one.quantities))));
  return [...names].sort((a, b) => (a !== 'input') - (b !== 'input') || a.localeCompare(b));
}

// Wedge of slopes called healthy over the reach, and the task's true credit.
function background(reach, credit) {
  return (frame) => {
    const wedge = `M${frame.x(0)},${frame.y(0)}L${frame.x(reach)},${frame.y(VANISHING)}V${frame.y(EXPLODING)}Z`;
    return [draw('path', { class: 'wedge', d: wedge }),
      draw('g', { class: 'reference' }, draw('path', { d: `M${frame.x(reach)},${frame.top}V${frame.bottom}`, 'stroke-dasharray': '1 3' })),
      draw('g', { class: 'credit' }, credit.map(([k, share]) => draw('path', { d: `M${frame.x(k)},${frame.top}v${(0.1 * (frame.bottom - frame.top) * share).toFixed(1)}` })))];
  };
}

// lines: { label, dash, points, thin }.
function profileChart(lines, { reach, credit = [], width, name }) {
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value).filter(Number.isFinite));
  const longest = Math.max(1, ...lines.flatMap(({ points }) => points.map(([k]) => k)));
  const low = Math.floor(Math.max(LOWEST, Math.min(VANISHING, ...values)));
  const high = Math.ceil(Math.min(HIGHEST, Math.max(EXPLODING, ...values))) + (credit.length ? 1 : 0);
  const layers = [background(reach || longest, credit),
    ...lines.map(({ label, points, dash, thin }) => cutLine(points, label, [low, high], { dash, thin }))];
  return chart({ width, height: 340, x: { domain: [0, longest], label: 'distance k (positions back from the answer)' },
    y: powerAxis([low, high], 'gradient norm'), layers, name });
}

const PROFILE_NOTE = 'Median norm of ∂answer/∂quantity over the probed sequences; on this axis an exponential is a straight line. '
  + 'Grey wedge: slopes called healthy (1e-6 … 1e3 over the task’s reach, dotted). ▼▲: beyond the axis, or exactly 0.';

function verdictTable(groups, moment) {
  const rows = [];
  for (const group of groups) {
    const held = group.summaries && group.summaries[moment];
    if (!held) continue;
    for (const [quantity, one] of Object.entries(held.quantities)) {
      const verdicts = Object.entries(one.verdicts).map(([word, count]) => held.n > 1 ? `${word} ${count}/${held.n}` : word).join(', ');
      rows.push([{ node: make('span', { class: 'model' }, swatch(group.label), group.label, group.difference ? ` (${group.difference})` : '') },
        quantityName(quantity), { text: verdicts, class: `verdict-${Object.keys(one.verdicts).join('-')}` }, { class: 'number', text: one.rate === null ? NOTHING : number(one.rate) },
        { class: 'number', text: number(one.ratio) }, { class: 'number', text: number(one.half_life) },
        { class: 'number', text: quantity === 'input' ? number(held.alignment) : '' }, { class: 'number', text: String(held.n) }]);
    }
  }
  const head = (text, title) => ({ text, title, class: 'number' });
  return table(['model', 'quantity', 'verdict', head('rate (log10 per position)', 'Theil–Sen slope'), head('g(K)/g(1)', 'ratio'),
    head('half-life (positions)', ''), head('credit alignment (0–1)', 'overlap with the task’s true credit'), head('n', 'seeds probed')], rows,
  'Verdicts: rate × reach below −6 is vanishing, above 3 exploding');
}

// Colour classes: 0 (1e-16) … 12 (1e6 and more); blue vanishes, red explodes, white is 1.
function heatClass(value) {
  if (Number.isNaN(value)) return 'heat-none';
  if (value > 0) return `hot-${Math.min(5, Math.ceil(value / 1.2))}`;
  return `cold-${Math.min(8, Math.ceil(-value / 2))}`;
}

function heatPanel(group, quantity) {
  const { steps, distances, profiles, seed } = group.heat;
  const ks = data.distances[distances], rows = profiles[quantity];
  const edges = ks.map((k, index) => index ? (k + ks[index - 1]) / 2 : k);
  edges.push(ks[ks.length - 1] + 0.5);
  const x = { domain: [0, edges[edges.length - 1]], label: 'distance k (positions)' };
  const y = { domain: [steps.length, 0], ticks: steps.map((_, index) => index + 0.5), format: (at) => whole(steps[Math.floor(at)]), label: 'training step' };
  const cells = (frame) => rows.map((row, index) => row.map((stored, column) => {
    const value = power(stored, 10);
    const left = frame.x(edges[column]), top = frame.y(index);
    return draw('rect', { class: heatClass(value), x: left, y: top, width: Math.max(0.5, frame.x(edges[column + 1]) - left + 0.4), height: frame.y(index + 1) - top },
      draw('title', {}, `step ${steps[index]}, k = ${ks[column]}: ${value === -Infinity ? '0' : Number.isFinite(value) ? `1e${number(value)}` : 'not finite'}`));
  }));
  return figure(group.label, chart({ width: 340, height: 70 + 22 * steps.length, x, y, layers: [cells], name: `${groupName(group)}: gradient norm over training step and distance` }),
    group.chosen.length > 1 ? `Seed ${seed}, one of ${group.chosen.length}.` : 'n = 1 seed.',
    { columns: ['step', 'distance k', 'log10 of the norm'], rows: rows.flatMap((row, index) => row.map((stored, column) => [steps[index], ks[column], power(stored, 10)])), legend: false });
}

function heatKey() {
  const steps = [...Array.from({ length: 9 }, (_, index) => `cold-${8 - index}`), ...Array.from({ length: 5 }, (_, index) => `hot-${index + 1}`)];
  return make('p', { class: 'quiet' }, '1e-16 and below ', make('span', { class: 'scale heatscale' }, steps.map((name) => make('i', { class: name }))), ' 1e6 and above; palest: 1');
}

function gradients(section) {
  const topics = data.topics.filter((topic) => topic.groups.some((place) => data.groups[place].summaries));
  if (!topics.length) {
    section.replaceChildren(make('p', {}, 'No cell holds gradient profiles.'));
    return;
  }
  const state = { topic: topics[0].name, moment: 'end', quantity: 'input', ...parameters('gradients') };
  const show = () => keepingFocus(section, () => section.replaceChildren(...gradientView(topics, state, (changes) => {
    Object.assign(state, changes);
    writeAddress('gradients', asParameters(state));
    show();
  }).filter(Boolean)));
  show();
  gradients.route = () => Object.assign(state, parameters('gradients'));
  gradients.redraw = show;
  redraws.push(show);
}

function gradientView(topics, state, change) {
  const topic = topics.find((one) => one.name === state.topic) || topics[0];
  const all = topic.lines.flatMap((one) => one.groups).map((place) => data.groups[place]).filter((group) => group.summaries);
  const lengths = topic.lengths.filter((length) => all.some((group) => group.length === length));
  const length = lengths.includes(Number(state.length)) ? Number(state.length) : lengths[Math.min(1, lengths.length - 1)];
  const groups = all.filter((group) => group.length === length);
  const quantities = quantitiesOf(groups);
  const quantity = quantities.includes(state.quantity) ? state.quantity : quantities[0];
  const held = MOMENTS.filter(([name]) => groups.some((group) => group.summaries[name]));
  const moment = held.some(([name]) => name === state.moment) ? state.moment : held[held.length - 1][0];
  const controls = make('div', { class: 'controls' },
    control('topic', dropDown('Task', topics.map((one) => [one.name, one.title]), topic.name, (value) => change({ topic: value }))),
    control('length', dropDown('Length', lengths.map((one) => [String(one), `T = ${whole(one)}`]), String(length), (value) => change({ length: value }))),
    control('quantity', dropDown('With respect to', quantities.map((one) => [one, quantityName(one)]), quantity, (value) => change({ quantity: value }))),
    control('moment', choices('At', MOMENTS.map(([name, text]) => [name, text, !held.some(([one]) => one === name)]), moment, (value) => change({ moment: value }))));
  return [controls, ...gradientFigures(topic, groups, { length, quantity, moment })];
}

function gradientFigures(topic, groups, { length, quantity, moment }) {
  const lines = [], shown = [];
  for (const group of groups) {
    const points = groupPoints(group, moment, quantity);
    if (!points.length) continue;
    shown.push(group);
    if (!isShown(group.label)) continue;
    if (group.chosen.length > 1) for (const place of group.chosen) lines.push({ label: group.label, points: cellPoints(data.cells[place], moment, quantity), thin: true, what: `seed ${data.cells[place].seed}` });
    lines.push({ label: group.label, points, what: 'median' });
  }
  const heats = groups.filter((group) => isShown(group.label) && group.heat && group.heat.profiles[quantity]);
  const first = shown[0] || groups[0];
  const steps = [...new Set(shown.flatMap((group) => group.summaries[moment].steps))].sort((a, b) => a - b);
  const when = steps.length === 1 ? `training step ${whole(steps[0])}` : `training steps ${whole(steps[0])}–${whole(steps[steps.length - 1])}`;
  const seeds = Math.max(0, ...shown.map((group) => group.summaries[moment].n));
  const title = `${topic.title}, T = ${whole(length)}: gradient of the ${quantityName(quantity)}`;
  const credit = first.credit || [];
  const holder = make('div', {});
  const drawing = lines.length ? profileChart(lines, { reach: first.reach, credit, width: wide(document.getElementById('gradients')), name: title })
    : make('p', {}, `No profile of the ${quantityName(quantity)} at this moment.`);
  holder.append(figure(title, drawing, `At ${when}. ${PROFILE_NOTE} ${seeds > 1 ? `n up to ${seeds} seeds: median, every seed as a thin line.` : 'n = 1 seed.'}${credit.length ? ' Bars from the top: where the task’s true credit lies.' : ''}`,
    { columns: ['model', 'what', 'distance k', 'log10 of the norm'], rows: lines.flatMap(({ label, what, points }) => points.map(([k, power]) => [label, what, k, power])) }));
  return [legend(shown.map((group) => group.label)), holder,
    make('h3', {}, 'Verdicts'), verdictTable(groups, moment),
    make('h3', {}, 'Through training'),
    heats.length ? make('div', {}, heatKey(), make('div', { class: 'panels' }, heats.map((group) => heatPanel(group, quantity))))
      : make('p', {}, 'Measured once only: nothing to show through training.'), filesOf(topic, /^gradient/)];
}
