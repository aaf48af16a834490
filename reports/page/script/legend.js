// Models are shown and hidden by the legend, everywhere at once. What is hidden stands in the address.

const hidden = new Set();
const redraws = []; // of what shows models

function readHidden() {
  hidden.clear();
  for (const label of new URLSearchParams(address.get('hide') || '').getAll('model')) if (Object.hasOwn(data.looks, label)) hidden.add(label);
}

function isShown(label) {
  return !hidden.has(label);
}

function turn(label) {
  if (!hidden.delete(label)) hidden.add(label);
  writeAddress('hide', new URLSearchParams([...hidden].map((one) => ['model', one])).toString(), false);
  redrawModels();
}

function redrawModels() {
  for (const button of document.querySelectorAll('.legend button')) button.setAttribute('aria-pressed', isShown(button.value));
  for (const redraw of redraws) redraw();
}

function legend(labels) {
  return make('ul', { class: 'legend', 'aria-label': 'Models: show or hide' }, labels.map((label) => make('li', {},
    make('button', { type: 'button', value: label, 'aria-pressed': String(isShown(label)), 'data-control': `model ${label}`, title: 'show or hide', click: () => turn(label) }, swatch(label), ' ', label))));
}

// Draws a part of the page again; the control that had the focus has it again.
function keepingFocus(section, show) {
  const active = document.activeElement;
  const held = active && section.contains(active) ? active.closest('[data-control]') : null;
  show();
  const again = held && [...section.querySelectorAll('[data-control]')].find((node) => node.dataset.control === held.dataset.control);
  if (again) (again.matches('button') ? again : again.querySelector('select, input:checked')).focus();
}

// A control that keepingFocus knows again.
function control(name, node) {
  node.dataset.control = name;
  return node;
}
