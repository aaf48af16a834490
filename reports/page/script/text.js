// The data, and numbers as text: the same rules as in the report's tables.

const data = JSON.parse(document.getElementById('data').textContent);
const NOTHING = '—';

// Three significant digits: 2.81, 0.169, 0.0041, 4.1e-4.
function number(value) {
  if (value === undefined || value === null || !Number.isFinite(value)) return NOTHING;
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e9) return value.toExponential(1).replace('e+', 'e');
  const decimals = Math.min(4, Math.max(0, 2 - Math.floor(Math.log10(size))));
  return value.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

// A whole number with its thousands set off.
function whole(value) {
  return value === undefined || value === null ? NOTHING : Math.round(value).toLocaleString('en');
}

// A learning rate: 3e-4, 0.01.
function rate(value) {
  return value >= 0.01 ? String(value) : value.toExponential().replace('e+', 'e');
}

// A tick on an axis: 0.001, 20, 3k, 2M.
function tick(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
  if (size > 0 && size < 1e-3) return value.toExponential(0).replace('e+', 'e');
  return String(+value.toPrecision(4));
}

function plural(count, word) {
  return `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`;
}

// `score (unit)`, without a unit that only repeats the metric.
function metricOf(thing) {
  const metric = (thing.metric || 'score').replaceAll('_', ' ');
  return thing.unit && thing.unit !== metric && !metric.startsWith(`${thing.unit} `) ? `${metric} (${thing.unit})` : metric;
}

function cellName(cell) {
  const group = data.groups[cell.group];
  return `${data.topics[group.topic].title} · ${group.label} · T = ${whole(group.length)} · seed ${cell.seed} · rate ${rate(cell.learning_rate)}`;
}

function groupName(group) {
  const extra = group.difference ? ` · ${group.difference}` : '';
  return `${data.topics[group.topic].title} · ${group.label} · T = ${whole(group.length)}${extra}`;
}
