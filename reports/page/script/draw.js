// Charts: axes and a frame in SVG. The marks in it are in marks.js. Colours come from the style sheet.

const LEFT = 46, RIGHT = 14, TOP = 10, BOTTOM = 40;
let clips = 0;

// Maps [low, high] of values to [from, to] of places.
function scale({ domain: [low, high], log }, from, to) {
  const map = log ? Math.log10 : (value) => value;
  const start = map(low), span = map(high) - start || 1;
  return (value) => from + (map(value) - start) / span * (to - from);
}

function linearTicks([low, high], wanted = 5) {
  const raw = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => +((first + index) * step).toPrecision(12));
}

// Powers of ten; between few of them, twice and five times these as well.
function decades([low, high]) {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const every = Math.max(1, Math.ceil((last - first) / 6));
  const factors = last - first > 3 ? [1] : high / low > 12 ? [1, 3] : [1, 2, 3, 5];
  const ticks = [];
  for (let power = first; power <= last; power += every) ticks.push(...factors.map((factor) => +(factor * 10 ** power).toPrecision(3)));
  return ticks.filter((value) => value >= low && value <= high);
}

// A domain that holds the values with some room; of a log axis, only positive ones.
function domainOf(values, log, room = 0.06) {
  const usable = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  if (!usable.length) return log ? [0.1, 10] : [0, 1];
  let low = Math.min(...usable), high = Math.max(...usable);
  if (log) {
    const wider = Math.max(1, 4 * low / high) ** 0.5; // a narrow range is shown as a factor of four
    [low, high] = [low / wider, high * wider];
    const factor = (high / low) ** room;
    return [low / factor, high * factor];
  }
  const gap = (high - low || Math.abs(high) || 1) * room;
  return [low - gap, high + gap];
}

function lengthAxis(lengths) {
  const low = Math.min(...lengths), high = Math.max(...lengths);
  const domain = low < high ? [low / 1.6, high * 1.6] : [low / 2, high * 2];
  return { log: true, domain, ticks: lengths, label: 'length T', format: (value) => value.toLocaleString('en') };
}

// An axis of powers of ten, of values that are logarithms already.
function powerAxis(domain, label) {
  const every = Math.max(1, Math.ceil((domain[1] - domain[0]) / 6));
  const ticks = [];
  for (let power = Math.ceil(domain[0]); power <= domain[1]; power += 1) if (power % every === 0) ticks.push(power);
  return { domain, ticks, label, format: (power) => `1e${power}` };
}

// x, y: { domain, log, ticks, label, format }; x.symbols: its ticks are symbols of so many letters; y.plain: no grid. layers: functions from the frame { x, y, left, right, top, bottom } to
// nodes. name: what a screen reader says of the drawing.
function chart({ width = 360, height = 236, left: room = LEFT, x, y, layers, name }) {
  const deep = x.symbols > 1 ? 6.7 * x.symbols : 0; // of symbols of several letters, which stand on end
  const left = room + (y.label ? 14 : 0), right = width - RIGHT, top = TOP, bottom = height - BOTTOM - deep;
  const frame = { x: scale(x, left, right), y: scale(y, bottom, top), left, right, top, bottom };
  const id = `clip-${clips += 1}`;
  const yTicks = y.ticks || (y.log ? decades(y.domain) : linearTicks(y.domain));
  const xTicks = x.ticks || (x.log ? decades(x.domain) : linearTicks(x.domain, Math.max(3, Math.round((right - left) / 90))));
  return draw('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': name, class: 'chart' },
    draw('g', { 'aria-hidden': 'true' }, // the name says what is drawn; its numbers are in the CSV and in the tables
    draw('clipPath', { id }, draw('rect', { x: left - 1, y: top - 8, width: right - left + 2, height: bottom - top + 16 })),
    yTicks.map((value) => [
      y.plain ? null : draw('line', { class: 'grid', x1: left, x2: right, y1: frame.y(value), y2: frame.y(value) }),
      draw('text', { class: 'tick', x: left - 6, y: frame.y(value) + 4, 'text-anchor': 'end' }, (y.format || tick)(value)),
    ]),
    x.symbols ? xTicks.map((value) => draw('text', deep ? { class: 'tick symbol', x: -bottom - 6, y: frame.x(value) + 4, transform: 'rotate(-90)', 'text-anchor': 'end' }
      : { class: 'tick symbol', x: frame.x(value), y: bottom + 15, 'text-anchor': 'middle' }, x.format(value))) : spread(xTicks, frame).map((value) => [
      draw('line', { class: 'tickmark', x1: frame.x(value), x2: frame.x(value), y1: bottom, y2: bottom + 4 }),
      draw('text', { class: 'tick', x: frame.x(value), y: bottom + 17, 'text-anchor': 'middle' }, (x.format || tick)(value)),
    ]),
    draw('path', { class: 'frame', d: `M${left},${top}V${bottom}H${right}` }),
    draw('text', { class: 'axis', x: (left + right) / 2, y: height - 5, 'text-anchor': 'middle' }, x.label || ''),
    y.label ? draw('text', { class: 'axis', x: -(top + bottom) / 2, y: 11, transform: 'rotate(-90)', 'text-anchor': 'middle' }, clipped(y.label)) : null,
    draw('g', { 'clip-path': `url(#${id})` }, layers.map((layer) => layer(frame)))));
}

// A label that fits beside the axis.
function clipped(text) {
  return text.length > 36 ? `${text.slice(0, 35)}…` : text;
}

// The ticks whose labels don't run into each other.
function spread(ticks, frame) {
  const kept = [];
  for (const value of ticks) {
    const far = !kept.length || frame.x(value) - frame.x(kept[kept.length - 1]) >= 34;
    if (far && frame.x(value) <= frame.right + 1) kept.push(value);
  }
  return kept;
}

// The width of a drawing: what its place allows, within limits.
function wide(node) {
  const room = node.clientWidth || 800;
  return Math.max(320, Math.min(1240, room - 2));
}
