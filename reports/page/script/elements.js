// Making elements. Text becomes text nodes, never markup; names of tags and attributes come from this script alone.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === 'function') node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function make(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// A drop-down with its label. options: [value, text], or [heading, [[value, text], …]].
function dropDown(label, options, value, change) {
  const option = ([key, text]) => make('option', { value: key, selected: key === value }, text);
  const items = options.map((item) => Array.isArray(item[1]) ? group(item) : option(item));
  function group([heading, members]) {
    return make('optgroup', { label: heading }, members.map(option));
  }
  const select = make('select', { change: () => change(select.value) }, items);
  return make('label', {}, make('span', {}, label), select);
}

// A few choices side by side: radio buttons, so that arrow keys move between them.
let radios = 0;
function choices(label, options, value, change) {
  const name = `choice-${radios += 1}`;
  const items = options.map(([key, text, disabled]) => {
    const input = make('input', { type: 'radio', name, value: key, disabled, change: () => change(key) });
    input.checked = key === value;
    return make('label', {}, input, make('span', {}, text));
  });
  return make('fieldset', { class: 'choices' }, make('legend', {}, label), items);
}

// rows: arrays of cells; a cell is text, a node, or { text, class, title, node }.
function table(headings, rows, caption, copied = true) {
  const cell = (content, tag, scope = null) => {
    const plain = content === null || typeof content !== 'object' || content instanceof Node;
    const { text, node, ...rest } = plain ? { text: content } : content;
    return make(tag, { scope, ...rest }, node || text);
  };
  const node = make('table', {}, caption ? make('caption', {}, caption) : null,
    make('thead', {}, make('tr', {}, headings.map((heading) => cell(heading, 'th', 'col')))),
    make('tbody', {}, rows.map((row) => make('tr', {}, row.map((content, index) => index ? cell(content, 'td') : cell(content, 'th', 'row'))))));
  return make('div', {}, make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption || 'table' }, node),
    copied && copies(caption || 'the table', written(node)));
}

// numbers: what the drawing shows, to be downloaded: { columns, rows }.
function figure(title, drawing, caption, numbers) {
  return make('figure', { 'aria-label': title }, make('h4', {}, title), drawing, caption ? make('figcaption', {}, caption) : null,
    numbers ? offered(drawing, numbers) : null);
}

// Links to the figures of a topic that lie beside the page, those whose name fits.
function filesOf(topic, fitting) {
  const found = Object.entries(topic.figures).filter(([name]) => fitting.test(name));
  const link = (address, ending, text) => make('a', { href: `${address}.${ending}` }, text);
  return found.length ? make('p', { class: 'quiet' }, 'Files: ', found.map(([name, address], index) => [index ? ' · ' : '', `${name} (`,
    link(address, 'svg', 'SVG'), ', ', link(address, 'png', 'PNG'), ', ', link(address, 'vl.json', 'Vega-Lite with data'), ')'])) : null;
}

// -- the address -----------------------------------------------------------------------------------------------------
// #compare=key,key/cells=task=adding: the first part is where to go, the others keep what was set elsewhere.

const address = new Map();
let place = 'overview';

function readAddress() {
  const parts = location.hash.slice(1).split('/').filter(Boolean);
  address.clear();
  for (const part of parts) {
    const [name] = part.split('=', 1);
    if (part.length > name.length) address.set(name, part.slice(name.length + 1));
  }
  if (parts.length) place = parts[0].split('=', 1)[0];
  return parts.length > 0;
}

// goes: whether the address leads to this part.
function writeAddress(name, value, goes = true) {
  if (goes) place = name;
  if (value) address.set(name, value);
  else address.delete(name);
  const text = (key) => address.has(key) ? `${key}=${address.get(key)}` : key;
  const others = [...address.keys()].filter((key) => key !== place).sort();
  history.replaceState(null, '', `#${[place, ...others].map(text).join('/')}`);
}

function parameters(name) {
  return Object.fromEntries(new URLSearchParams(address.get(name) || ''));
}

function asParameters(values) {
  const used = Object.entries(values).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  return new URLSearchParams(used.map(([key, value]) => [key, String(value)])).toString();
}
