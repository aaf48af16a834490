// Section: loss, validation score and gradient norm against the training step.

// Loss or norm of a cell: [step, median of a stretch]; the validation score: [step, score].
function cellCurve(cell, quantity) {
  const { size, steps, validation = [], [quantity]: values = [] } = cell.curves || {};
  if (quantity === 'score') return validation.map(([step, score]) => [step, score === null ? NaN : score]);
  return values.map((value, index) => [Math.min(steps, (index + 1) * size), value === null ? NaN : value]);
}

// Over the seeds of a group: [step, median, least, largest]; of a single seed, its own curve.
function groupCurve(group, quantity) {
  const held = group.learning && group.learning[quantity];
  if (held) return held.steps.map((step, index) => [step, held.middle[index], held.low[index], held.high[index]]);
  const single = group.chosen.map((place) => cellCurve(data.cells[place], quantity)).find((points) => points.length) || [];
  return single.map(([step, value]) => [step, value, value, value]);
}

const LEARNED = [['loss', 'training loss'], ['score', 'validation score'], ['norm', 'gradient norm']];

function learningChart(topic, groups, quantity, { name, log, seeds }) {
  const fits = (value) => Number.isFinite(value) && (!log || value > 0);
  const layers = [], rows = [], values = [], steps = [];
  for (const group of groups.filter((one) => isShown(one.label))) {
    const points = groupCurve(group, quantity);
    const each = group.chosen.length > 1 ? group.chosen.map((place) => data.cells[place]) : [];
    rows.push(...points.map((point) => [group.label, group.difference || '', 'median', ...point]));
    for (const cell of each) rows.push(...cellCurve(cell, quantity).map(([step, value]) => [group.label, group.difference || '', `seed ${cell.seed}`, step, value]));
    const drawn = points.filter((point) => point.slice(1).every(fits));
    if (seeds === 'lines') for (const cell of each) layers.push(line(cellCurve(cell, quantity).map(([x, y]) => fits(y) ? [x, y] : null), group.label, { thin: true, title: `${group.label}, seed ${cell.seed}` }));
    else if (each.length) layers.push(band(drawn.map(([x, , low, high]) => [x, low, high]), group.label));
    layers.push(line(points.map(([x, y]) => fits(y) ? [x, y] : null), group.label, { title: group.label }));
    values.push(...drawn.flatMap((point) => point.slice(1)));
    steps.push(...points.map(([step]) => step));
  }
  const chance = groups.map((group) => group.chance).find((value) => value !== undefined);
  const threshold = groups.map((group) => group.threshold).find((value) => value !== undefined);
  const references = quantity === 'score' ? [[chance, 'chance', true], [threshold, 'solved', false]].filter(([value]) => fits(value)) : [];
  values.push(...references.map(([value]) => value));
  const x = { domain: [0, Math.max(1, ...steps)], label: 'training step' };
  const y = { log, domain: domainOf(values, log), label: quantity === 'score' ? metricOf(topic) : name };
  const lines = references.map(([value, text, dashed]) => reference([[0, value]], text, dashed, true));
  return { drawing: chart({ width: 420, height: 270, x, y, layers: [...lines, ...layers], name: `${topic.title}: ${name} against training step` }),
    numbers: { columns: ['model', 'setting', 'what', 'step', y.label, 'least', 'largest'], rows }, any: values.length > references.length };
}

function learningView(topics, state, change) {
  const topic = topics.find((one) => one.name === state.topic) || topics[0];
  const all = topic.lines.flatMap((one) => one.groups).map((place) => data.groups[place]).filter(learned);
  const lengths = topic.lengths.filter((length) => all.some((group) => group.length === length));
  const length = lengths.includes(Number(state.length)) ? Number(state.length) : lengths[Math.min(1, lengths.length - 1)];
  const groups = all.filter((group) => group.length === length);
  const several = groups.some((group) => group.chosen.length > 1);
  const scale = (value) => state.scale === 'linear' ? false : value;
  const figures = LEARNED.map(([quantity, name]) => {
    const log = scale(quantity === 'score' ? topic.logarithmic : true);
    const { drawing, numbers, any } = learningChart(topic, groups, quantity, { name, log, seeds: state.seeds });
    return any && figure(`${topic.title}, T = ${whole(length)}: ${name}`, drawing, null, numbers);
  });
  const spread = state.seeds === 'lines' ? 'every seed as a thin line' : 'least to largest as a band';
  return [make('div', { class: 'controls' },
    control('topic', dropDown('Task', topics.map((one) => [one.name, one.title]), topic.name, (value) => change({ topic: value }))),
    control('length', dropDown('Length', lengths.map((one) => [String(one), `T = ${whole(one)}`]), String(length), (value) => change({ length: value }))),
    control('scale', choices('Scale', [['log', 'logarithmic'], ['linear', 'linear']], state.scale, (value) => change({ scale: value }))),
    several && control('seeds', choices('Seeds', [['band', 'a band'], ['lines', 'lines']], state.seeds, (value) => change({ seeds: value })))),
  legend([...new Set(groups.map((group) => group.label))]),
  make('div', { class: 'panels wide' }, figures),
  make('p', { class: 'quiet' }, `${seedsOf(groups)}${several ? `: median over seeds, ${spread}, as long as half of the seeds still train` : ''}. Loss and norm (before clipping): medians over at most 100 stretches of steps. `
    + 'A line ends where training did: solved, or at the end of the budget.'), filesOf(topic, /^learning/)];
}

function learned(group) {
  return LEARNED.some(([quantity]) => groupCurve(group, quantity).length);
}

function learning(section) {
  const topics = data.topics.filter((topic) => topic.groups.some((place) => learned(data.groups[place])));
  if (!topics.length) {
    section.replaceChildren(make('p', {}, 'No cell holds a curve of its training.'));
    return;
  }
  const state = { topic: topics[0].name, scale: 'log', seeds: 'band', ...parameters('learning') };
  const show = () => keepingFocus(section, () => section.replaceChildren(...learningView(topics, state, (changes) => {
    Object.assign(state, changes);
    writeAddress('learning', asParameters(state));
    show();
  }).filter(Boolean)));
  learning.route = () => Object.assign(state, parameters('learning'));
  redraws.push(show);
  show();
}
