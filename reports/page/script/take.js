// What a reader takes away: a chart as SVG, its numbers as CSV, a table as Markdown or LaTeX.

function save(name, type, text) {
  const href = URL.createObjectURL(new Blob([text], { type }));
  make('a', { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000); // when the browser has read it
}

function fileName(title) {
  return title.replace(/[^\p{L}\p{N}.]+/gu, '-').replace(/^[-.]+|-+$/g, '').slice(0, 80) || 'figure';
}

// numbers: { columns, rows, legend }. What a figure offers below it.
function offered(drawing, numbers) {
  const title = drawing.getAttribute('aria-label');
  const button = (kind, take) => make('button', { type: 'button', 'aria-label': `Download ${title} as ${kind}`, click: take }, kind);
  return make('p', { class: 'take' }, 'Download ',
    button('SVG', () => save(`${fileName(title)}.svg`, 'image/svg+xml', asSvg(drawing, title, numbers.legend !== false))), ' ',
    button('CSV', () => save(`${fileName(title)}.csv`, 'text/csv', asCsv(numbers.columns, numbers.rows))));
}

// -- a chart as a file of its own: what the style sheet says becomes attributes ------------------------------------------

const STYLED = ['fill', 'fill-opacity', 'stroke', 'stroke-width', 'stroke-dasharray', 'stroke-linejoin', 'opacity', 'font-size', 'font-weight', 'font-family', 'paint-order'];

function asSvg(drawing, title, named) {
  const [, , width, height] = drawing.getAttribute('viewBox').split(' ').map(Number);
  const marks = [...drawing.querySelectorAll('[class*="look-"]')].map((node) => node.getAttribute('class'));
  const labels = named ? Object.keys(data.looks).filter((label) => marks.includes(`look-${look(label).index}`)) : [];
  const copy = styled(drawing);
  const rows = labels.map((label, index) => draw('g', { transform: `translate(${LEFT},${height + 6 + 18 * index})` },
    styled(swatch(label), drawing), draw('text', { x: 42, y: 11, 'font-size': 12, 'font-family': 'Helvetica, Arial, sans-serif', fill: plain(getComputedStyle(document.body).color) }, label)));
  const whole = height + (labels.length ? 12 + 18 * labels.length : 0);
  copy.prepend(draw('title', {}, title), draw('rect', { width, height: whole, fill: plain(getComputedStyle(document.body).backgroundColor) }));
  copy.append(...rows);
  for (const [name, value] of Object.entries({ width, height: whole, viewBox: `0 0 ${width} ${whole}` })) copy.setAttribute(name, value);
  return new XMLSerializer().serializeToString(copy);
}

// beside: where a drawing that is not on the page stands while its style is read.
function styled(drawing, beside = null) {
  if (beside) beside.append(drawing);
  const copy = drawing.cloneNode(true);
  const copies = [copy, ...copy.querySelectorAll('*')];
  for (const [index, node] of [drawing, ...drawing.querySelectorAll('*')].entries()) {
    const style = getComputedStyle(node);
    for (const name of STYLED) copies[index].setAttribute(name, name === 'fill' || name === 'stroke' ? plain(style.getPropertyValue(name)) : style.getPropertyValue(name));
    copies[index].removeAttribute('class');
  }
  if (beside) {
    drawing.remove();
    for (const [name, value] of [['width', 34], ['height', 14]]) copy.setAttribute(name, value);
  }
  return copy;
}

const plainColours = new Map([['none', 'none']]);
const pixel = make('canvas', { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });

// A mixed colour as red, green and blue, which every program that reads SVG knows.
function plain(colour) {
  if (!plainColours.has(colour)) {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
    const [red, green, blue] = pixel.getImageData(0, 0, 1, 1).data;
    plainColours.set(colour, `rgb(${red},${green},${blue})`);
  }
  return plainColours.get(colour);
}

// -- numbers and tables as text ----------------------------------------------------------------------------------------

// A text that a spreadsheet would take for a formula begins with an apostrophe.
function asCsv(columns, rows) {
  const cell = (value) => {
    if (typeof value !== 'string') return Number.isFinite(value) ? String(value) : '';
    const safe = /^\s*[=+\-@＝＋－＠]|^[\t\n]/.test(value) ? `'${value}` : value;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [columns, ...rows].map((row) => `${row.map(cell).join(',')}\n`).join('');
}

const TEX = new Map([['\\', '\\textbackslash{}'], ['~', '\\textasciitilde{}'], ['^', '\\textasciicircum{}'], ['<', '\\textless{}'], ['>', '\\textgreater{}'],
  ['|', '\\textbar{}'], ['`', '\\textasciigrave{}'], ['±', '$\\pm$'], ['≤', '$\\leq$'], ['≥', '$\\geq$'], ['–', '--'], ['—', '---'], ['·', '$\\cdot$'], ['×', '$\\times$'],
  ['−', '$-$'], ['…', '\\dots{}'], ['∞', '$\\infty$'], ['✓', '$\\checkmark$'], ...[...'&%$#_{}'].map((letter) => [letter, `\\${letter}`])]);
const tex = (text) => [...text.replace(/^-(?=[\d.])/, '−')].map((letter) => TEX.get(letter) || letter).join('').replaceAll('--', '-{}-').replace(/^[[*]/, '{}$&');
const markdown = (text) => text.replace(/[\\|*_`<>[\]#~$]/g, '\\$&');

// What a cell of a table says, its parts set apart.
function said(cell) {
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  const parts = [];
  while (walker.nextNode()) parts.push(walker.currentNode.data.replace(/\s+/g, ' ').trim());
  return parts.filter(Boolean).join(' ');
}

// A table as it stands when it is copied: its cells as text, and which columns hold numbers.
function read(node) {
  const [head, ...body] = [...node.rows].map((row) => [...row.cells].map(said));
  const right = [...node.rows[node.rows.length - 1].cells].map((cell) => cell.classList.contains('number'));
  return { head, body, right };
}

function written(node) {
  const row = (escape, before, between, after) => (cells) => before + cells.map(escape).join(between) + after;
  const bar = row(markdown, '| ', ' | ', ' |'), tabular = row(tex, '', ' & ', ' \\\\');
  const asMarkdown = ({ head, body, right }) => [bar(head), `| ${right.map((is) => is ? '-:' : ':-').join(' | ')} |`, ...body.map(bar)];
  const asLatex = ({ head, body, right }) => ['% needs \\usepackage{booktabs,amssymb}', `\\begin{tabular}{${right.map((is) => is ? 'r' : 'l').join('')}}`, '\\toprule', tabular(head), '\\midrule', ...body.map(tabular), '\\bottomrule', '\\end{tabular}'];
  return { Markdown: () => asMarkdown(read(node)), LaTeX: () => asLatex(read(node)) };
}

// forms: what a table can be copied as -> its lines of text. shown: what stands before them.
function copies(name, forms, shown = 'Copy as ') {
  const told = make('span', { role: 'status' });
  const box = make('p', { class: 'take' }, shown, Object.entries(forms).map(([form, lines]) =>
    [make('button', { type: 'button', 'aria-label': `Copy ${name} as ${form}`, click: () => copy(`${lines().join('\n')}\n`, told, box) }, form), ' ']), told);
  return box;
}

async function copy(text, told, box) {
  for (const node of box.querySelectorAll('textarea')) node.remove();
  try {
    await navigator.clipboard.writeText(text);
    told.textContent = 'copied';
  } catch { // an old browser, or one that was told not to
    const area = make('textarea', { readonly: true, rows: 8, 'aria-label': 'text to copy' });
    area.value = text;
    box.append(area);
    area.select();
    told.textContent = 'copy the selected text';
  }
}
