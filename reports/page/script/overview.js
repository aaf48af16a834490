// Section: task × model × length, coloured by skill.

const MARKS = { solved: '✓', learning: '↗', 'at chance': '=', 'budget-limited': '…', diverged: '∞', untrained: '○' };

// What a square looks like: its word, its sign, and the class that draws its pattern.
function verdict(group) {
  const word = group.outcome;
  if (word.includes('/')) return { sign: '◐', text: word, kind: 'mixed' };
  const sign = MARKS[word] || '✕';
  const kind = MARKS[word] ? word.replace(' ', '-') : 'failed';
  const text = word === 'solved' ? `solved at ${group.solved_text}` : word;
  return { sign, text, kind };
}

function square(group) {
  const { sign, text, kind } = verdict(group);
  const topic = data.topics[group.topic];
  const step = group.skill === undefined ? 'none' : Math.max(0, Math.min(10, Math.round(group.skill * 10)));
  const unanswered = group.failed && kind !== 'failed' ? `✕ ${group.failed} failed` : '';
  const diverged = group.diverged && kind !== 'diverged' ? `∞ ${group.diverged} diverged` : '';
  const unsolved = group.solved === 0 && kind !== 'failed' && kind !== 'untrained';
  const details = [unanswered, diverged, group.difference].filter(Boolean);
  const said = [groupName(group), `${metricOf(group)} ${group.score_text}`, `skill ${number(group.skill)}`, group.equals_chance ? 'merely equals chance' : '', text, ...details,
    unsolved ? `not solved within its budget of ${whole(group.budget)} steps` : '', `n = ${group.n}`, 'show its cells'].filter(Boolean).join(', ');
  return make('a', {
    class: `square skill-${step} is-${kind}${unsolved ? ' is-unsolved' : ''}`, 'aria-label': said, title: said,
    href: `#cells=${asParameters({ topic: topic.name, model: group.model, length: group.length })}`,
  }, make('span', { class: 'sign', 'aria-hidden': 'true' }, sign),
  make('b', {}, group.score_text, group.equals_chance && kind !== 'at-chance' ? ' =' : ''), make('span', {}, text), details.map((detail) => make('small', {}, detail)),
  make('small', {}, `n = ${group.n}`));
}

function topicMap(topic) {
  const groups = topic.groups.map((place) => data.groups[place]);
  const labels = [...new Set(groups.map((group) => group.label))];
  const far = Object.fromEntries(topic.lines.map((line) => [line.label, line.solved_text]));
  const solvable = topic.lines.some((line) => line.solved_length !== null);
  const rows = labels.map((label) => [
    { node: make('span', { class: 'model' }, swatch(label), label) },
    ...topic.lengths.map((length) => {
      const members = groups.filter((group) => group.label === label && group.length === length);
      return { class: 'heat', node: members.length ? make('div', {}, members.map(square)) : make('span', { class: 'empty' }, 'not run') };
    }),
    ...(solvable ? [{ class: 'number', text: far[label] || NOTHING }] : []),
  ]);
  const heads = ['model', ...topic.lengths.map((length) => `T = ${length.toLocaleString('en')}`), ...(solvable ? ['T*'] : [])];
  const box = table(heads, rows, `${topic.title}: models by lengths`, false);
  box.classList.add('map');
  return make('article', {}, make('h3', {}, topic.title), make('p', { class: 'quiet' },
    [topic.score || 'no score: not trained', ...topic.references].join(' · ')), box);
}

function key() {
  const scaleBar = make('span', { class: 'scale', role: 'img', 'aria-label': 'colour scale of skill, 0 to 1' },
    Array.from({ length: 11 }, (_, step) => make('i', { class: `skill-${step}` })));
  const kinds = [['solved', '✓ solved'], ['learning', '↗ learning (skill ≥ 0.05)'], ['at-chance', '= at chance'],
    ['budget-limited', '… budget-limited: at chance after fewer than 1,000 steps'], ['failed', '✕ failed, ∞ diverged'], ['unsolved', 'corner: not solved within its budget of steps']];
  return make('div', { class: 'key' },
    make('p', {}, 'Colour: skill, 0 (chance) ', scaleBar, ' 1 (perfect, or the best reference score)'),
    make('p', {}, kinds.map(([kind, text]) => make('span', { class: `chip is-${kind}` }, text))),
    make('p', { class: 'quiet' }, 'Number: test score in the unit beside the task’s name; = beside it: merely equals chance. n: seeds with an answer. '
      + 'T*: longest length that most seeds solved, as they did all shorter ones asked for; a missing cell is not solved. Choose a square to see its cells.'));
}

function overview(section) {
  const whole = Object.fromEntries(Object.entries(data.paper).map(([form, lines]) => [form, () => lines]));
  section.replaceChildren(key(), copies('all tasks in one table', whole, 'Copy all tasks in one table as '), make('div', { class: 'columns' }, data.topics.map(topicMap)));
}
