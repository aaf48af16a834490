// Puts the sections in their places and follows the address.

const SECTIONS = { overview, curves, gradients, asked, compare, cells, provenance };

function into(name) {
  return document.getElementById(name).lastElementChild;
}

function follow(focus) {
  const asked = readAddress();
  const lost = readChoice();
  for (const listener of listeners) listener();
  cells.route();
  gradients(into('gradients'));
  if (lost) into('compare').append(make('p', { class: 'warning' }, `${plural(lost, 'key')} of the address ${lost === 1 ? 'is' : 'are'} not on this page.`));
  if (!asked || !Object.hasOwn(SECTIONS, place)) return;
  document.getElementById(place).scrollIntoView();
  if (focus) document.getElementById(`${place}-title`).focus({ preventScroll: true });
}

function start() {
  const failed = data.cells.filter((cell) => !['ok', 'diverged'].includes(cell.status)).length;
  document.getElementById('store').textContent = data.title;
  document.title = `${data.title}: long-range dependencies`;
  document.getElementById('counts').textContent = [plural(data.cells.length, 'cell'), failed ? `${failed} without an answer` : '',
    plural(data.groups.length, 'group'), plural(data.topics.length, 'task'), plural(data.warnings.length, 'warning')].filter(Boolean).join(' · ');
  readAddress();
  readChoice();
  document.querySelector('nav a[href="#asked"]').hidden = document.getElementById('asked').hidden = !data.asked.length;
  if (data.cells.length) for (const [name, build] of Object.entries(SECTIONS)) build(into(name));
  else for (const name of Object.keys(SECTIONS)) into(name).append(make('p', {}, 'The store holds no results yet.'));
  if (data.cells.length) {
    follow(false);
    window.addEventListener('hashchange', () => follow(true));
    // Large drawings are made for the width they have; print gets the width of a page.
    let width = window.innerWidth;
    window.addEventListener('resize', () => {
      if (Math.abs(window.innerWidth - width) < 40) return;
      width = window.innerWidth;
      if (gradients.redraw) gradients.redraw();
      compare.redraw();
    });
  }
  document.documentElement.dataset.ready = 'yes';
}

start();
