// What is chosen to be compared: keys of groups and cells, kept in the address.

const byKey = new Map([...data.groups.map((group, index) => [group.key, { kind: 'group', index, group, cells: group.chosen.map((place) => data.cells[place]) }]),
  ...data.cells.map((cell, index) => [cell.key, { kind: 'cell', index, group: data.groups[cell.group], cells: [cell], cell }])]);
const listeners = [];
let chosen = [];

function readChoice() {
  const wanted = (address.get('compare') || '').split(',').filter(Boolean);
  chosen = [...new Set(wanted)].filter((key) => byKey.has(key));
  return wanted.length - chosen.length;
}

function choose(keys) {
  chosen = [...new Set(keys)];
  writeAddress('compare', chosen.join(','));
  for (const listener of listeners) listener();
}

function toggle(key) {
  choose(chosen.includes(key) ? chosen.filter((one) => one !== key) : [...chosen, key]);
}

// A, B, …, Z, then A2, B2, …
function letterOf(index) {
  return String.fromCharCode(65 + index % 26) + (index < 26 ? '' : Math.floor(index / 26) + 1);
}

function itemName(item) {
  return item.kind === 'cell' ? cellName(item.cell) : `${groupName(item.group)} · ${plural(item.group.n, 'seed')}`;
}
