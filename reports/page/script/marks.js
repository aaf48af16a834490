// Marks in a chart. A model has one colour, dash and shape everywhere.

const SHAPES = {
  circle: 'M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0Z',
  square: 'M-3.6,-3.6h7.2v7.2h-7.2Z',
  'triangle-up': 'M0,-5L4.6,3.6H-4.6Z',
  'triangle-down': 'M0,5L4.6,-3.6H-4.6Z',
  'triangle-right': 'M5,0L-3.6,4.6V-4.6Z',
  'triangle-left': 'M-5,0L3.6,4.6V-4.6Z',
  diamond: 'M0,-5.2L5.2,0L0,5.2L-5.2,0Z',
  cross: 'M-1.6,-4.6h3.2v3h3v3.2h-3v3h-3.2v-3h-3v-3.2h3Z',
};
// What tells several lines of one model apart.
const DASHES = ['', '7 3', '2 2', '9 2 2 2', '5 2', '1 3'];

function look(label) {
  return data.looks[label];
}

function dashOf(label) {
  const { dash } = look(label);
  return dash.length === 2 && dash[1] === 0 ? null : dash.join(' ');
}

function path(points, frame) {
  return points.map(([x, y], index) => `${index ? 'L' : 'M'}${frame.x(x).toFixed(1)},${frame.y(y).toFixed(1)}`).join('');
}

// A line through points [x, y]; null breaks it.
function line(points, label, { dash = dashOf(label), thin = false, title = null } = {}) {
  const pieces = [[]];
  for (const point of points) {
    if (point && Number.isFinite(point[1])) pieces[pieces.length - 1].push(point);
    else if (pieces[pieces.length - 1].length) pieces.push([]);
  }
  return (frame) => draw('g', { class: `look-${look(label).index}` },
    title ? draw('title', {}, title) : null,
    pieces.filter((piece) => piece.length).map((piece) =>
      draw('path', { class: thin ? 'line thin' : 'line', 'stroke-dasharray': dash, d: path(piece, frame) })));
}

// points: [x, y, what it says when pointed at].
function dots(points, label, { small = false, open = false } = {}) {
  const { index, shape } = look(label);
  return (frame) => draw('g', { class: `look-${index}` }, points.map(([x, y, title]) => draw('path', {
    class: open ? 'dot open' : 'dot', d: SHAPES[small ? 'circle' : shape],
    transform: `translate(${frame.x(x).toFixed(1)},${frame.y(y).toFixed(1)})${small ? ' scale(.5)' : ''}`,
  }, title ? draw('title', {}, title) : null)));
}

// points: [x, low, high].
function band(points, label) {
  return (frame) => draw('g', { class: `look-${look(label).index}` }, points.length > 1 && draw('path', { class: 'band',
    d: `${path(points.map(([x, low]) => [x, low]), frame)}${path(points.map(([x, , high]) => [x, high]).reverse(), frame).replace('M', 'L')}Z` }));
}

// intervals: [x, low, high].
function bars(intervals, label) {
  return (frame) => draw('g', { class: `look-${look(label).index}` }, intervals.map(([x, low, high]) =>
    draw('line', { class: 'interval', x1: frame.x(x), x2: frame.x(x), y1: Math.min(frame.bottom, frame.y(low)), y2: Math.min(frame.bottom, frame.y(high)) })));
}

// A letter at a place, in the model's colour: ▼, ▲ beyond an edge, ✕ no value. shift: sideways, because models would hide
// each other.
function letters(points, label, shift = 0) {
  return (frame) => draw('g', { class: `look-${look(label).index}` }, points.map(([x, where, text, title]) =>
    draw('text', { class: 'letter', x: frame.x(x) + shift, y: where === 'top' ? frame.top + 8 : frame.bottom - 2, 'text-anchor': 'middle' },
      text, title ? draw('title', {}, title) : null)));
}

// A grey line with a name, through points or, at a single x, across.
function reference(points, name, dashed, atEnd = false) {
  return (frame) => {
    const first = points[0], last = points[points.length - 1];
    const level = points.length === 1;
    const d = level ? `M${frame.left},${frame.y(first[1])}H${frame.right}` : path(points, frame);
    const x = level ? (atEnd ? frame.right - 4 : frame.left + 4) : frame.x((atEnd ? last : first)[0]);
    return draw('g', { class: 'reference' },
      draw('path', { d, 'stroke-dasharray': dashed ? '6 4' : '1 3' }),
      draw('text', { x, y: Math.max(frame.top + 9, frame.y((atEnd ? last : first)[1]) - 5), 'text-anchor': atEnd ? 'end' : 'start' }, name));
  };
}

function swatch(label, dash = dashOf(label)) {
  const { index, shape } = look(label);
  return draw('svg', { viewBox: '0 0 34 14', class: `swatch look-${index}`, 'aria-hidden': 'true' },
    draw('path', { class: 'line', d: 'M1,7H33', 'stroke-dasharray': dash }),
    draw('path', { class: 'dot', d: SHAPES[shape], transform: 'translate(17,7)' }));
}

// -- powers of ten: gradient profiles --------------------------------------------------------------------------------

const ZERO = -9999, INFINITE = 9999, LOWEST = -16, HIGHEST = 6;

// A stored whole number as a power of ten: −∞ for 0, +∞ for what is not finite, NaN for what is not known.
function power(value, parts) {
  if (value === null || value === undefined) return NaN;
  if (value === ZERO) return -Infinity;
  return value === INFINITE ? Infinity : value / parts;
}

// A line cut at the edges of the axis, with a triangle where it leaves.
function cutLine(points, label, [low, high], options) {
  const inside = points.map(([, value]) => value >= low && value <= high);
  const known = points.map(([x, value]) => Number.isNaN(value) ? null : [x, Math.min(high, Math.max(low, value))]);
  const shown = known.map((point, index) => (inside[index - 1] || inside[index] || inside[index + 1]) ? point : null);
  const layers = [line(shown, label, options)];
  if (!options || !options.thin) {
    const leaving = points.filter(([, value], index) => !inside[index] && !Number.isNaN(value)
      && (index === 0 || inside[index - 1] || Number.isNaN(points[index - 1][1])));
    layers.push(letters(leaving.map(([x, value]) => [x, value > high ? 'top' : 'bottom', value > high ? '▲' : '▼',
      Number.isFinite(value) ? `1e${number(value)}` : value > 0 ? 'not finite' : 'exactly 0']), label));
  }
  return (frame) => layers.map((layer) => layer(frame));
}
