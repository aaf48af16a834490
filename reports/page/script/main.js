// Puts the sections in their places and follows the address.

const SECTIONS = { overview, learning, curves, gradients, inside, asked, compare, cells, provenance };

function into(name) {
  return document.getElementById(name).lastElementChild;
}

// What the drawings show, as the address says.
const shownBy = () => ['learning', 'gradients', 'inside', 'hide'].map((name) => address.get(name)).join('\n');

function follow() {
  const before = shownBy();
  const led = readAddress();
  cells.route();
  if (shownBy() !== before) {
    for (const section of [learning, gradients, inside]) if (section.route) section.route();
    readHidden();
    redrawModels();
  }
  arrive(led, true);
}

function arrive(led, focus) {
  const lost = readChoice();
  for (const listener of listeners) listener();
  if (lost) into('compare').append(make('p', { class: 'warning' }, `${plural(lost, 'key')} of the address ${lost === 1 ? 'is' : 'are'} not on this page.`));
  if (!led || !Object.hasOwn(SECTIONS, place)) return;
  document.getElementById(place).scrollIntoView();
  if (focus) document.getElementById(`${place}-title`).focus({ preventScroll: true });
}

function start() {
  const failed = data.cells.filter((cell) => !['ok', 'diverged'].includes(cell.status)).length;
  document.getElementById('store').textContent = data.title;
  document.title = `${data.title}: long-range dependencies`;
  const counts = [plural(data.cells.length, 'cell'), failed ? `${failed} without an answer` : '', plural(data.groups.length, 'group'), plural(data.topics.length, 'task')];
  document.getElementById('counts').append(`${counts.filter(Boolean).join(' · ')} · `, make('a', { href: '#provenance' }, plural(data.warnings.length, 'warning')));
  const led = readAddress();
  readChoice();
  readHidden();
  const empty = { asked: !data.asked.length, inside: !data.groups.some((group) => group.inside) };
  for (const [name, is] of Object.entries(empty)) document.querySelector(`nav a[href="#${name}"]`).hidden = document.getElementById(name).hidden = is;
  if (data.cells.length) for (const [name, build] of Object.entries(SECTIONS)) build(into(name));
  else for (const name of Object.keys(SECTIONS)) into(name).append(make('p', {}, 'The store holds no results yet.'));
  if (data.cells.length) {
    arrive(led, false);
    window.addEventListener('hashchange', follow);
    // Large drawings are made for the width they have; print gets the width of a page.
    let width = window.innerWidth;
    window.addEventListener('resize', () => {
      if (Math.abs(window.innerWidth - width) < 40) return;
      width = window.innerWidth;
      for (const section of [gradients, inside]) if (section.redraw) section.redraw();
      compare.redraw();
    });
  }
  document.documentElement.dataset.ready = 'yes';
}

start();
