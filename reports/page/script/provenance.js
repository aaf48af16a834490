// Section: where the numbers come from, and what limits them.

const MANY = 12;

// The cells that a warning speaks of; item: of one of its texts.
function warnedOf(title, item) {
  const warning = data.warnings.find((one) => one.title === title);
  if (!warning) return null;
  const of = warning.texts && item ? [warning.held[warning.texts.indexOf(item)] || []] : warning.held || [];
  return new Set([...(warning.cells || []), ...(warning.groups || []).flatMap((place) => data.groups[place].cells), ...of.flat()]);
}

function warned(warning) {
  const table = (item) => `#cells=${asParameters({ warned: warning.title, item })}`;
  const link = (text, href) => make('a', { href }, text);
  const items = [
    ...(warning.groups || []).map((place) => data.groups[place]).map((group) => [link(groupName(group), `#compare=${group.key}`)]),
    ...(warning.cells || []).map((place) => data.cells[place]).map((cell) => [link(cellName(cell), `#cells=${asParameters({ text: cell.key })}`), `: ${cell.first_line || cell.outcome}`]),
    ...(warning.texts || []).map((text) => [warning.held ? link(text, table(text)) : text]),
  ];
  const kind = warning.groups ? 'group' : 'cell';
  const how = warning.of ? `${items.length} of ${plural(warning.of, kind)}` : plural(items.length, 'line');
  const concerned = warnedOf(warning.title).size;
  return make('li', { class: 'warning' }, make('details', { open: items.length <= MANY && Boolean(warning.texts) },
    make('summary', {}, make('b', {}, warning.title), ` (${how}): ${warning.why}`), make('ul', {}, items.map((item) => make('li', {}, item)))),
  concerned ? link(`Show ${concerned === 1 ? 'this cell' : `these ${plural(concerned, 'cell')}`} in the table`, table()) : null);
}

function provenance(section) {
  const { commands, machines, versions, data: sources, started, unknown } = data.provenance;
  const yes = (value) => value === true ? 'changed' : value === false ? 'clean' : NOTHING;
  section.replaceChildren(...[
    make('h3', {}, 'Warnings'),
    data.warnings.length ? make('ul', { class: 'warnings' }, data.warnings.map(warned)) : make('p', {}, 'None.'),
    make('h3', {}, 'Commands'),
    commands.length ? make('ul', { class: 'commands' }, commands.map(({ command, cells: count }) => make('li', {}, make('code', {}, command), ` ${plural(count, 'cell')}`)))
      : make('p', {}, 'The store holds no record of what was asked.'),
    started.length ? make('p', {}, `Cells began between ${started[0]} and ${started[1]} (UTC).`, unknown ? ` Of ${plural(unknown, 'cell')} it is not known where they ran.` : '') : null,
    make('h3', {}, 'Versions'),
    table(['libraries', 'git commit', 'working tree', 'cells'], versions.map(([libraries, commit, dirty, count]) => [libraries, commit || NOTHING, yes(dirty), { class: 'number', text: whole(count) }]), 'Library versions, and the suite’s commit'),
    make('h3', {}, 'Devices'),
    table(['device', 'platform', 'python', 'threads', 'cells'], machines.map(([device, platform, python, threads, count]) => [device, platform, python, String(threads), { class: 'number', text: whole(count) }]), 'Where cells ran'),
    make('h3', {}, 'Data'),
    sources.length ? table(['task', 'data', 'sha256', 'cells'], sources.map(([task, name, sha256, count]) => [task, name, { node: make('code', {}, sha256) }, { class: 'number', text: whole(count) }]), 'Text that was read; the other tasks are synthetic')
      : make('p', {}, 'All tasks are synthetic.'),
    make('p', { class: 'quiet' }, 'Statistics are exact and were computed when this page was made. Curves are thinned to 100 points, gradient profiles to 32 distances at up to three moments; the records in the store hold all of it.'),
  ].filter(Boolean));
}
