// Section: every cell, failed ones included.

const COLUMNS = [
  { name: 'task', of: (cell, group) => data.topics[group.topic].title },
  { name: 'model', of: (cell, group) => group.model, swatch: true },
  { name: 'T', of: (cell, group) => group.length, number: true, text: whole },
  { name: 'seed', of: (cell) => cell.seed, number: true, text: whole },
  { name: 'rate', of: (cell) => cell.learning_rate, number: true, text: rate },
  { name: 'outcome', of: (cell) => cell.outcome, outcome: true },
  { name: 'score', of: (cell) => cell.score, number: true, text: number, within: metricOf },
  { name: 'unit', of: (cell) => cell.unit },
  { name: 'chance', of: (cell) => cell.chance, number: true, text: number, within: metricOf },
  { name: 'skill', of: (cell) => cell.skill, number: true, text: (value) => value === undefined ? NOTHING : (Math.round(value * 100) / 100 || 0).toFixed(2) },
  { name: 'solved at (steps)', of: (cell) => cell.solved_at_step, number: true, text: whole },
  { name: 'steps', of: (cell) => cell.steps, number: true, text: whole },
  { name: 'body parameters', of: (cell) => cell.parameters_body, number: true, text: whole },
  { name: 'seconds', of: (cell) => cell.seconds, number: true, text: number },
  { name: 'MiB', of: (cell) => cell.peak_memory_mb, number: true, text: number },
  { name: 'gradient (input, end)', of: (cell) => cell.gradient_verdict },
  { name: 'more', of: (cell) => cell.first_line || '', more: true },
];

const OUTCOME_CLASS = (word) => MARKS[word] ? word.replace(' ', '-') : 'failed';

function more(cell) {
  const summary = cell.first_line || (cell.sample ? 'sample' : 'details');
  const facts = [`key ${cell.key}`, `status ${cell.status}`, cell.data && `data ${cell.data}`, cell.test_n && `test n ${whole(cell.test_n)}`,
    cell.validation_score !== undefined && `validation ${number(cell.validation_score)}`, cell.tokens_seen && `${whole(cell.tokens_seen)} positions seen`,
    ...Object.entries(cell.extras || {}).map(([name, value]) => `${name} ${number(value)}`), ...(cell.notes || [])].filter(Boolean);
  return make('details', { class: cell.error ? 'error' : null }, make('summary', {}, summary), make('p', {}, facts.join(' · ')),
    cell.error ? make('pre', {}, cell.error) : null, cell.sample ? make('pre', { class: 'sample' }, cell.sample) : null);
}

function row(cell) {
  const group = data.groups[cell.group];
  const box = make('input', { type: 'checkbox', 'aria-label': `Compare ${cellName(cell)}`, change: () => toggle(cell.key) });
  const tr = make('tr', {}, make('td', {}, box), COLUMNS.map((column) => {
    const value = column.of(cell, group);
    if (column.more) return make('td', {}, more(cell));
    if (column.outcome) return make('td', {}, make('span', { class: `chip is-${OUTCOME_CLASS(value)}` }, `${MARKS[value] || '✕'} ${value}`));
    const text = column.text ? column.text(value) : value || NOTHING;
    return make('td', { class: column.number ? 'number' : null }, column.swatch ? make('span', { class: 'model' }, swatch(group.label), text) : text);
  }));
  const searched = [...COLUMNS.map((column) => column.of(cell, group)), cell.key, cell.error, cell.status].filter((value) => value !== undefined && value !== null).join(' ').toLowerCase();
  return { cell, group, tr, box, searched };
}

// concerned: the cells that the warning of the state speaks of.
function matching(entry, state, concerned) {
  const topic = data.topics[entry.group.topic];
  return (!state.topic || topic.name === state.topic) && (!state.model || entry.group.model === state.model)
    && (!state.length || String(entry.group.length) === state.length) && (!state.outcome || entry.cell.outcome === state.outcome)
    && (!state.warned || concerned.has(entry.index))
    && (state.text || '').toLowerCase().split(/\s+/).every((word) => entry.searched.includes(word));
}

// Empty values come last, whichever way it is sorted; numbers of one unit stay together.
function order(column, down) {
  return (a, b) => {
    const [x, y] = [a, b].map((entry) => column.of(entry.cell, entry.group));
    const empty = [x, y].map((value) => value === undefined || value === null || value === '');
    if (empty[0] || empty[1]) return empty[0] - empty[1];
    const apart = column.within ? column.within(a.cell).localeCompare(column.within(b.cell), 'en') : 0;
    if (apart) return apart;
    const way = column.number ? x - y : String(x).localeCompare(String(y), 'en', { numeric: true });
    return down ? -way : way;
  };
}

function cells(section) {
  const entries = data.cells.map((cell, index) => ({ ...row(cell), index }));
  const state = {};
  const count = make('p', { 'aria-live': 'polite', id: 'shown' });
  const body = make('tbody', {});
  const headings = COLUMNS.map((column) => make('th', { 'aria-sort': 'none', class: column.number ? 'number' : null, scope: 'col' },
    column.more ? column.name : make('button', { type: 'button', click: () => sortBy(column.name) }, column.name)));
  const filters = make('div', { class: 'controls' });
  function change(changes) {
    Object.assign(state, changes);
    writeAddress('cells', asParameters(state));
    show();
  }
  function sortBy(name) {
    change({ sort: state.sort === name ? `-${name}` : state.sort === `-${name}` ? '' : name });
  }
  function show() {
    const down = (state.sort || '').startsWith('-');
    const sorted = COLUMNS.find((column) => column.name === (down ? state.sort.slice(1) : state.sort));
    const concerned = state.warned && warnedOf(state.warned, state.item) || new Set();
    const matches = entries.filter((entry) => matching(entry, state, concerned));
    if (sorted) matches.sort(order(sorted, down));
    COLUMNS.forEach((column, index) => headings[index].setAttribute('aria-sort', column !== sorted ? 'none' : down ? 'descending' : 'ascending'));
    body.replaceChildren(...matches.map((entry) => entry.tr));
    const units = new Set(matches.map((entry) => metricOf(entry.cell)));
    const grouped = sorted && sorted.within && units.size > 1 ? `, sorted by ${sorted.name} within each of ${units.size} units` : '';
    const warning = state.warned ? ` that the warning “${state.item || state.warned}” speaks of` : '';
    count.textContent = `${matches.length.toLocaleString('en')} of ${plural(entries.length, 'cell')}${warning}${grouped}`;
  }
  function tick() {
    for (const entry of entries) entry.box.checked = chosen.includes(entry.cell.key);
  }
  cells.route = () => {
    for (const name of Object.keys(state)) delete state[name];
    Object.assign(state, parameters('cells'));
    filters.replaceChildren(...cellFilters(entries, state, change));
    show();
  };
  listeners.push(tick);
  const whole = make('table', { id: 'all-cells' }, make('caption', {}, 'Every cell, failed ones included'), make('thead', {}, make('tr', {}, make('th', { scope: 'col' }, 'compare'), headings)), body);
  section.replaceChildren(filters, count, make('div', { class: 'scroll tall', tabindex: '0', role: 'region', 'aria-label': 'All cells' }, whole), copies('the cells shown', written(whole)));
  cells.route();
  tick();
}

function cellFilters(entries, state, change) {
  const distinct = (of) => [...new Set(entries.map(of))].map((value) => [String(value), String(value)]);
  const filter = (name, label, options) => dropDown(label, [['', 'all'], ...options], state[name] || '', (value) => change({ [name]: value }));
  const text = make('input', { type: 'search', value: state.text || '', placeholder: 'words, an error, a key', input: () => change({ text: text.value }) });
  return [make('label', {}, make('span', {}, 'Containing'), text),
    filter('topic', 'Task', data.topics.map((topic) => [topic.name, topic.title])),
    filter('model', 'Model', distinct((entry) => entry.group.model)),
    filter('length', 'Length', distinct((entry) => entry.group.length).sort((a, b) => a[0] - b[0])),
    filter('outcome', 'Outcome', distinct((entry) => entry.cell.outcome)),
    make('button', { type: 'button', click: () => { writeAddress('cells', ''); cells.route(); } }, 'All cells'),
    make('button', { type: 'button', click: () => { location.hash = chosen.length ? `#compare=${chosen.join(',')}` : '#compare'; } }, 'Compare the chosen')];
}
