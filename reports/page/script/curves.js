// Section: score, time to solve, memory and cost against length.

const INTERVALS = {
  'test sampling': 'One seed: its value; bar: 95 % interval of test sampling (seeds may differ more)',
  range: '2–4 seeds, or seeds of two kinds: their median, every value as a dot; bar: their range',
  t: '5 seeds or more, of one kind: their mean, every value as a dot; bar: 95 % t interval',
};

function linesOf(topic) {
  return topic.lines.filter(({ label }) => isShown(label)).map(({ label, groups }) => ({ label, groups: groups.map((place) => data.groups[place]) }));
}

function seedsOf(groups) {
  const counts = [...new Set(groups.map((group) => group.n))].sort((a, b) => a - b);
  return counts.length === 1 ? `n = ${counts[0]}` : `n = ${counts[0]}–${counts[counts.length - 1]}`;
}

// One panel: a line per model over lengths. value: group -> number, or nothing. seeds: group -> numbers.
function overLengths(topic, { value, seeds, interval, log, label, references = [], absent, from = [] }) {
  const layers = [], held = [], rows = [];
  const all = linesOf(topic);
  for (const [index, { label: model, groups }] of all.entries()) {
    const points = groups.map((group) => [group.length, value(group)]);
    for (const group of groups) rows.push([model, group.difference || '', group.length, group.n, value(group), ...(interval && interval(group) ? interval(group) : [NaN, NaN]), ((seeds(group) || []).join(' '))]);
    const counts = new Map(groups.map((group) => [group.length, group.n]));
    const known = points.filter(([, y]) => Number.isFinite(y) && (!log || y > 0));
    const spans = groups.filter((group) => interval && interval(group)).map((group) => [group.length, ...interval(group)]);
    const each = groups.flatMap((group) => (seeds(group) || []).map((y) => [group.length, y])).filter(([, y]) => !log || y > 0);
    held.push(...known.map(([, y]) => y), ...each.map(([, y]) => y), ...spans.flatMap((span) => span.slice(1)));
    // A length without a value breaks the line: what lies between was not measured.
    const broken = topic.lengths.map((length) => known.find(([x]) => x === length) || null);
    layers.push(bars(spans.map(([x, low, high]) => [x, log ? Math.max(0, low) : low, high]), model), dots(each, model, { small: true }), line(broken, model),
      dots(known.map(([x, y]) => [x, y, `${model}, T = ${whole(x)}: ${number(y)}, n = ${counts.get(x)}`]), model));
    if (log) {
      const zeros = points.filter(([, y]) => y <= 0);
      layers.push(letters(zeros.map(([x]) => [x, 'bottom', '▼', `${model}, T = ${whole(x)}: 0`]), model, 9 * (index - (all.length - 1) / 2)));
    }
    if (absent) {
      const gone = groups.filter((group) => !Number.isFinite(value(group)) && absent(group));
      layers.push(letters(gone.map((group) => [group.length, absent(group).where, absent(group).sign, `${model}, T = ${whole(group.length)}: ${absent(group).text}`]), model, 9 * (index - (all.length - 1) / 2)));
    }
  }
  for (const [points] of references) held.push(...points.map(([, y]) => y));
  const lines = references.map(([points, name, dashed, atEnd]) => reference(points, name, dashed, atEnd));
  const y = { log, domain: domainOf([...held, ...from], log), label: label.length > 30 ? label.replace(/ \(.*\)$/, '') : label };
  return { drawing: chart({ x: lengthAxis(topic.lengths), y, layers: [...layers, ...lines], name: `${topic.title}: ${label} against length` }), any: held.length > 0,
    numbers: { columns: ['model', 'setting', 'T', 'n', label, 'low', 'high', 'seeds'], rows } };
}

const noValue = (group) => ({ where: 'bottom', sign: '✕', text: group.outcome });

function constants(topic, quantity) {
  const held = new Map();
  for (const place of topic.groups) if (data.groups[place].chance !== undefined) held.set(data.groups[place].length, data.groups[place]);
  const of = (field) => topic.lengths.filter((length) => held.has(length) && held.get(length)[field] !== undefined)
    .map((length) => [length, held.get(length)[field]]);
  if (quantity === 'skill') return [[topic.lengths.map((x) => [x, 0]), 'chance', true], [topic.lengths.map((x) => [x, 1]), 'skill 1', false, true]];
  const references = [[of('chance'), 'chance', true]];
  if (of('threshold').length) references.push([of('threshold'), 'solved', false, true]);
  else if (!topic.logarithmic) references.push([of('best'), 'skill 1', false, true]);
  return references.filter(([points]) => points.length);
}

function scorePanels(quantity) {
  return data.topics.filter((topic) => topic.metric).map((topic) => {
    const skill = quantity === 'skill';
    const groups = topic.groups.map((place) => data.groups[place]);
    const kinds = [...new Set(groups.filter((group) => group.interval).map((group) => group.interval[2]))];
    const { drawing, numbers } = overLengths(topic, {
      value: (group) => { const value = skill ? group.skill : group.score; return value === undefined ? NaN : value; },
      seeds: (group) => group.values && group.values.length > 1 ? (skill ? group.skills : group.values) : [],
      interval: (group) => group.interval && (skill ? group.interval_skill : group.interval.slice(0, 2)),
      log: quantity === 'score' && topic.logarithmic, label: quantity === 'skill' ? 'skill' : metricOf(topic),
      references: constants(topic, quantity), absent: noValue,
    });
    const notes = [topic.score, seedsOf(groups), ...kinds.map((kind) => INTERVALS[kind]), groups.some((group) => group.score === undefined) && '✕: no value',
      quantity === 'score' && topic.logarithmic && groups.some((group) => group.score === 0) && '▼: exactly 0',
      groups.some((group) => group.solved) && 'A solved cell stopped there: compare those by steps to solve'];
    return figure(topic.title, drawing, notes.filter(Boolean).join('. '), numbers);
  });
}

function solvePanels(measure) {
  return data.topics.filter((topic) => topic.lines.some((line) => line.solved_length !== null)).map((topic) => {
    const groups = topic.groups.map((place) => data.groups[place]);
    const steps = measure === 'steps';
    const { drawing, numbers } = overLengths(topic, {
      value: (group) => steps ? group.solved_at : group.cost && group.cost.solve,
      seeds: (group) => steps ? group.chosen.map((place) => data.cells[place].solved_at_step).filter(Boolean) : [],
      log: true, label: steps ? 'steps to solve' : 'seconds of training to solve',
      absent: (group) => group.solved === undefined ? null : { where: 'top', sign: '△', text: `not solved within ${whole(group.budget)} steps by most seeds` },
      from: groups.filter((group) => steps && group.solved !== undefined).map((group) => group.budget),
    });
    const exponents = topic.lines.filter((line) => line.exponent !== null).map((line) => `${line.label} ${(Math.round(line.exponent * 100) / 100 || 0).toFixed(2)}`);
    const fitted = exponents.length ? ` Exponent b of steps ∝ T^b, unsolved runs as bounds: ${exponents.join(', ')}.` : '';
    return figure(topic.title, drawing, `Median over seeds${steps ? ', every seed that solved as a dot' : ''}; ${seedsOf(groups)}. △: not solved within its budget.${fitted}`, numbers);
  });
}

function memoryPanels() {
  const panels = data.topics.filter((topic) => topic.groups.some((place) => data.groups[place].horizon !== undefined)).map((topic) => {
    const { drawing, numbers } = overLengths(topic, {
      value: (group) => group.horizon === undefined ? NaN : Math.max(0.5, group.horizon),
      seeds: (group) => group.chosen.length > 1 ? group.chosen.map((place) => data.cells[place].memory_horizon).filter(Number.isFinite).map((y) => Math.max(0.5, y)) : [],
      log: true, label: 'memory horizon (positions)', absent: noValue,
      references: [[topic.lengths.map((x) => [x, x]), 'all T', true, true]],
    });
    return figure(`${topic.title}: memory horizon`, drawing,
      `How many last positions the best predictor of this score sees; median over seeds, ${seedsOf(topic.groups.map((place) => data.groups[place]))}. Below 0.5 drawn at 0.5. ✕: none, as at chance.${topic.harmed ? ` Note: ${topic.harmed}.` : ''}`, numbers);
  });
  for (const topic of data.topics) {
    const length = Math.max(...topic.lengths);
    const lines = linesOf(topic).map(({ label, groups }) => {
      const group = groups.find((one) => one.length === length);
      const cell = group && group.chosen.map((place) => data.cells[place]).find((one) => one.context);
      return cell && { label, points: cell.context };
    }).filter(Boolean);
    if (!lines.length) continue;
    const ys = lines.flatMap(({ points }) => points.map(([, y]) => y));
    const x = { log: true, domain: [0.9, length * 1.1], label: 'positions of input left' };
    const layers = lines.flatMap(({ label, points }) => [line(points, label), dots(points.map(([c, y]) => [c, y, `${label}, ${c} positions: ${number(y)}`]), label)]);
    panels.push(figure(`${topic.title}: context use at T = ${whole(length)}`,
      chart({ x, y: { domain: domainOf(ys), label: metricOf(topic) }, layers, name: `${topic.title}: score against context left` }),
      'The trained model (first seed) on inputs cut to their last positions, 1,000 scored positions. Flat: what lies further back is not used.',
      { columns: ['model', 'positions', metricOf(topic)], rows: lines.flatMap(({ label, points }) => points.map((point) => [label, ...point])) }));
  }
  return panels;
}

const COSTS = { seconds: ['seconds per cell', 'Wall clock of a whole cell.'], step: ['seconds per training step', 'Training alone: no data, validation or probes. Batches differ with length.'],
  memory: ['peak memory (MiB)', 'Of the GPU, or else of the whole process.'] };

function costPanels(measure) {
  const [label, meaning] = COSTS[measure];
  return data.topics.map((topic) => {
    const { drawing, any, numbers } = overLengths(topic, { value: (group) => group.cost && group.cost[measure], seeds: () => [], log: true, label });
    const batches = [...new Set(topic.groups.map((place) => data.groups[place].batch))].join(', ');
    return any ? figure(topic.title, drawing, `${meaning} Median over seeds, ${seedsOf(topic.groups.map((place) => data.groups[place]))}; batch ${batches}.`, numbers) : null;
  }).filter(Boolean);
}

// A heading, choices that redraw, and the panels.
function article(title, label, options, panels) {
  const box = make('div', { class: 'panels' });
  let chosen = options[0][0];
  const show = (choice) => { chosen = choice; box.replaceChildren(...panels(choice)); };
  const control = options.length > 1 ? choices(label, options, options[0][0], show) : null;
  show(chosen);
  redraws.push(() => show(chosen));
  return box.childElementCount ? make('article', {}, make('h3', {}, title), control, box) : null;
}

function curves(section) {
  const labels = [...new Set(data.topics.flatMap((topic) => topic.lines.map((one) => one.label)))];
  section.replaceChildren(...[
    legend(labels),
    article('Score against length', 'Show', [['score', 'score'], ['skill', 'skill']], scorePanels),
    article('Time to solve', 'In', [['steps', 'training steps'], ['seconds', 'seconds of training']], solvePanels),
    article('Memory', '', [['memory', '']], memoryPanels),
    article('Cost', 'Show', Object.entries(COSTS).map(([name, [text]]) => [name, text]), costPanels),
  ].filter(Boolean));
}
