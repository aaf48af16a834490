// Section: stored models asked at other lengths than they were trained at.

function asked(section) {
  section.replaceChildren(make('p', { class: 'quiet' }, 'A row: a model at its trained length (≤: a range); a column: the length that it was tested at, without further training. '
    + 'Number: skill, 0 = chance and 1 = perfect or the best reference score; k/n: how many of the seeds pass the threshold. Outlined: the trained length, by the cell’s own test. '
    + 'Lines: merely equals chance (=) or worse (<). —: not defined. Effective: the longest tested length such that most seeds pass there and at every tested one from the trained one on.'),
  ...data.asked.map(askedTopic));
}

function askedTopic(topic) {
  const told = topic.rows.some((row) => row.effective[0]);
  const rows = topic.rows.map((row) => [
    { node: make('span', { class: 'model' }, swatch(row.label), row.label, row.difference ? ` (${row.difference})` : '') },
    { class: 'number', text: row.trained },
    ...row.cells.map((cell) => ({ node: askedCell(cell) })),
    ...(told ? row.effective.map((text) => ({ class: 'number', text })) : []),
  ]);
  const heads = ['model', 'T', ...topic.lengths.map((length) => `at ${length.toLocaleString('en')}`), ...(told ? ['effective', 'ratio'] : [])];
  const box = table(heads, rows, `${topic.title}: skill by trained and tested length`);
  box.classList.add('map', 'asked');
  return make('article', {}, make('h3', {}, topic.title), make('p', { class: 'quiet' }, topic.score), box,
    topic.notes.map((note) => make('p', { class: 'quiet' }, note)));
}

function askedCell(cell) {
  if (!cell.lines.length) return '';
  const kind = cell.mark ? ' is-at-chance' : '';
  return make('div', { class: `square skill-${cell.step === null ? 'none' : cell.step}${kind}${cell.own ? ' is-own' : ''}` },
    make('b', {}, cell.mark, cell.lines[0]), cell.lines.slice(1).map((line) => make('small', {}, line)));
}
