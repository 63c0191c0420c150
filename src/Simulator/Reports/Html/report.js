'use strict';
(async () => {
  const $ = id => document.getElementById(id);
  // Everything shown here was printed by guests and scenarios: it goes into the page as text only.
  const el = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [k, v] of Object.entries(attributes ?? {})) k === 'on' ? node.addEventListener('click', v) : node.setAttribute(k, v);
    node.append(...children.filter(c => c !== null && c !== undefined));
    return node;
  };
  const svg = (tag, attributes, text) => {
    const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [k, v] of Object.entries(attributes)) node.setAttribute(k, v);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const number = n => Number(n).toLocaleString('en');

  // ---- light and dark
  const root = document.documentElement;
  root.dataset.theme = new URLSearchParams(location.search).get('theme') ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  $('theme').addEventListener('click', () => { root.dataset.theme = root.dataset.theme === 'dark' ? 'light' : 'dark'; });

  // ---- the table
  const rows = [...document.querySelectorAll('#verdicts tbody tr')];
  let verdict = null;
  const filter = () => {
    const words = $('search').value.toLowerCase().split(/\s+/).filter(w => w);
    let shown = 0;
    for (const row of rows) {
      const text = row.dataset.text ??= (row.textContent + ' ' + (row.dataset.tags ?? '')).toLowerCase();
      row.hidden = !((verdict === null || row.dataset.verdict === verdict) && words.every(w => text.includes(w)));
      shown += row.hidden ? 0 : 1;
    }
    $('shown').textContent = shown === rows.length ? '' : `${shown} of ${rows.length}`;
  };
  $('search').addEventListener('input', filter);
  for (const chip of document.querySelectorAll('#chips .chip')) chip.addEventListener('click', () => {
    verdict = verdict === chip.dataset.verdict ? null : chip.dataset.verdict;
    for (const c of document.querySelectorAll('#chips .chip')) c.setAttribute('aria-pressed', c.dataset.verdict === verdict);
    filter();
  });
  for (const row of rows) row.addEventListener('click', e => { if (!e.target.closest('a')) location.hash = `s${row.dataset.i}`; });

  // ---- the data
  const packed = Uint8Array.from(atob($('data').textContent), c => c.charCodeAt(0));
  const text = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))).text();
  const data = JSON.parse(text);

  const DEPTH = 0, NAME = 1, SIDE = 2, MARK = 3, AT = 4, TOOK = 5, SEQ = 6, EVENTS = 7, CALLS = 8, NOTE = 9, MACHINE = 10;
  const sides = { t: 'the tools', h: 'the hypervisor', g: 'the guest' };

  // ---- one scenario
  const failure = s => {
    if (s.verdict === 'passed' || s.verdict === 'skipped') return null;
    const card = el('section', { class: 'card bad', id: 'failure' }, el('h2', {}, 'Why it failed'));
    for (const m of s.mismatches ?? []) card.append(el('p', { class: 'mismatch' }, el('b', {}, m.keyword), ' ', m.text, el('br'), el('span', { class: 'at' }, m.place)));
    card.append(el('p', {}, 'It ended with: ', s.detail));
    const f = s.failure;
    if (!f) return card;
    if (f.explanation.length) card.append(el('pre', {}, f.explanation.join('\n')));
    if (f.lastEvents.length) card.append(el('h2', {}, 'The last events before'), el('pre', {}, f.lastEvents.join('\n')));
    if (f.divergence.length) card.append(el('h2', {}, 'Compared with the last run that passed'), el('pre', {}, ...f.divergence.map(l => el('span', { class: /^ *-/.test(l) ? 'minus' : /^ *\+/.test(l) ? 'plus' : '' }, l + '\n'))));
    card.append(el('h2', {}, 'To look at it'), el('pre', {}, f.debug));
    return card;
  };

  const stages = run => {
    const list = run.stages;
    if (!list.length) return null;
    const end = Math.max(...list.map(s => s[SEQ] + s[EVENTS]), 1);
    const tree = el('div', { class: 'tree' }, el('div', { class: 'row head' }, el('span', {}, 'Stage'), el('span', { class: 'num' }, 'Instructions'), el('span', { class: 'num' }, 'Took'), el('span', {}, 'Events, first to last')));
    const lines = [], folded = new Set();
    const top = i => { let n = i + 1; while (n < list.length && list[n][DEPTH] > list[i][DEPTH]) n++; return n; };
    // A machine that came to a good end before another began is the way there: it starts folded.
    for (let i = 0; i < list.length; i = top(i)) if (top(i) < list.length && list[i][MARK] === 'r') folded.add(i);
    const draw = () => {
      let hiddenBelow = Infinity;
      list.forEach((s, i) => {
        if (s[DEPTH] <= hiddenBelow) hiddenBelow = Infinity;
        lines[i].hidden = hiddenBelow !== Infinity;
        lines[i].style.display = lines[i].hidden ? 'none' : '';
        if (hiddenBelow === Infinity && folded.has(i)) hiddenBelow = s[DEPTH];
        lines[i].querySelector('.fold').textContent = top(i) > i + 1 ? (folded.has(i) ? '▸' : '▾') : '';
      });
    };
    list.forEach((s, i) => {
      const toggle = () => { folded.has(i) ? folded.delete(i) : folded.add(i); draw(); };
      const track = el('span', { class: 'track', title: `event ${s[SEQ]}, ${s[EVENTS]} events` });
      const bar = el('i', {});
      bar.style.left = `${100 * s[SEQ] / end}%`;
      bar.style.width = `${100 * s[EVENTS] / end}%`;
      track.append(bar);
      const stage = el('span', { class: 'stage', title: `${sides[s[SIDE]]}: ${s[NAME]}` }, el('span', { class: 'fold', on: toggle }), el('span', { class: `dot` }),
        el('span', { class: 'label' }, s[NAME]), s[CALLS] ? el('span', { class: 'calls' }, `${s[CALLS]} call${s[CALLS] === 1 ? '' : 's'}`) : null,
        s[MARK] === 'f' ? el('span', { class: 'note' }, s[NOTE]) : s[MARK] === 'o' ? el('span', { class: 'calls' }, 'not returned') : null);
      stage.style.paddingLeft = `${14 * s[DEPTH]}px`;
      stage.querySelector('.dot').style.background = 'var(--c)';
      const line = el('div', { class: `row side-${s[SIDE]}${s[MARK] === 'f' ? ' failed' : ''}` }, stage, el('span', { class: 'num' }, number(s[AT])), el('span', { class: 'num' }, s[TOOK] ? number(s[TOOK]) : '·'), track);
      lines.push(line);
      tree.append(line);
    });
    draw();
    const legend = el('div', { class: 'legend' }, ...Object.entries(sides).slice(0, 2).map(([k, v]) => { const d = el('span', { class: `side-${k}` }, el('span', { class: 'dot' }), v); d.firstChild.style.background = 'var(--c)'; return d; }));
    return el('section', { class: 'card', id: 'stages' }, el('h2', {}, 'Stages', el('small', {}, 'guest instructions at entry and inside; tools and hypervisor take no virtual time')), legend, tree);
  };

  // The declared machine with what was entered of it. A row of the run belongs to the machine's node that its callers lead to.
  const machine = (s, run) => {
    const nodes = data.machines[`${s.path} ${s.xen}`]?.map(([depth, name, source, condition, rollback]) => ({ depth, name, source, condition, rollback, order: null, mark: null, note: '' }));
    if (!nodes || !run.stages.length) return null;
    const childOf = (parent, name) => { for (let i = parent + 1; i < nodes.length && nodes[i].depth > nodes[parent].depth; i++) if (nodes[i].depth === nodes[parent].depth + 1 && nodes[i].name === name) return i; return -1; };
    let order = 0, stack = [], inside = false;
    for (const r of run.stages) {
      if (r[MACHINE] !== 0) continue;
      const depth = r[DEPTH];
      if (depth === 0) { inside = r[NAME] === nodes[0].name; stack = [0]; } else if (inside) stack[depth] = stack[depth - 1] === undefined || stack[depth - 1] < 0 ? -1 : childOf(stack[depth - 1], r[NAME]);
      if (!inside) continue;
      const node = nodes[depth === 0 ? 0 : stack[depth]];
      stack.length = depth + 1;
      if (!node) continue;
      node.order ??= ++order;
      node.mark = r[MARK];
      node.note = r[NOTE];
    }
    if (nodes[0].order === null) return null;
    const H = 27, W = 21, top = 40;
    const width = n => Math.max(44, n.name.length * 7.3 + 22 + (n.order === null ? 0 : 26));
    nodes.forEach((n, i) => { n.x = 26 + n.depth * W; n.y = top + i * H; n.w = width(n); n.end = i + 1; while (n.end < nodes.length && nodes[n.end].depth > n.depth) n.end++; });
    const colour = n => n.order === null ? 'var(--line)' : n.mark === 'f' ? 'var(--bad)' : n.rollback ? 'var(--warn)' : n.mark === 'o' ? 'var(--accent)' : 'var(--ok)';
    const height = top + nodes.length * H + 46, total = Math.max(...nodes.map(n => n.x + n.w)) + 520;
    const picture = svg('svg', { width: total, height, viewBox: `0 0 ${total} ${height}`, role: 'img', 'aria-label': 'state machine with the path walked' });
    const bottom = n => nodes[n.end - 1].y + 21;
    for (const n of nodes) if (n.end > nodes.indexOf(n) + 1) picture.append(svg('rect', { x: n.x - 7, y: n.y - 3, width: Math.max(n.w, ...nodes.slice(nodes.indexOf(n), n.end).map(m => m.x + m.w - n.x)) + 14, height: bottom(n) - n.y + 7, rx: 8, fill: n.order === null ? 'none' : 'color-mix(in srgb, var(--accent) 2%, transparent)', stroke: 'var(--line)' }));
    const line = (d, stroke, extra) => picture.append(svg('path', { d, fill: 'none', stroke, 'stroke-width': 2, ...extra }));
    // (start), then a rail from each caller down to its callees: coloured as far as it was walked.
    picture.append(svg('circle', { cx: 32, cy: 16, r: 6, fill: 'var(--ink)' }));
    line(`M32 22 V${nodes[0].y - 1}`, 'var(--ok)');
    nodes.forEach((n, i) => {
      const below = nodes.map((m, j) => j).filter(j => j > i && j < n.end && nodes[j].depth === n.depth + 1);
      for (const j of below.reverse()) {
        const m = nodes[j], x = n.x + 8;
        line(`M${x} ${n.y + 21} V${m.y + 5} Q${x} ${m.y + 11} ${x + 6} ${m.y + 11} H${m.x}`, colour(m), m.order === null || m.rollback ? { 'stroke-dasharray': m.order === null ? '2 4' : '5 3' } : {});
      }
    });
    // A failure goes up to the callers, on the right of everything between.
    nodes.forEach(n => { n.aside = n.x + n.w + 8; });
    nodes.forEach((n, i) => {
      let p = i;
      while (p >= 0 && nodes[p].depth !== n.depth - 1) p--;
      if (n.mark !== 'f' || p < 0 || nodes[p].mark !== 'f') return;
      const caller = nodes[p], x = Math.max(...nodes.slice(p, i + 1).map(m => m.x + m.w)) + 16;
      n.aside = Math.max(n.aside, x + 8);
      caller.aside = Math.max(caller.aside, x + 8);
      line(`M${n.x + n.w} ${n.y + 11} H${x - 6} Q${x} ${n.y + 11} ${x} ${n.y + 5} V${caller.y + 17} Q${x} ${caller.y + 11} ${x - 6} ${caller.y + 11} H${caller.x + caller.w + 2} m5 -4 l-5 4 l5 4`, 'var(--bad)');
    });
    for (const n of nodes) {
      const c = colour(n), g = svg('g', {});
      g.append(svg('title', {}, `${n.name}\n${n.source}${n.condition ? `\ncalled if ${n.condition}` : ''}`));
      g.append(svg('rect', { x: n.x, y: n.y, width: n.w, height: 21, rx: 10, fill: n.order === null ? 'var(--card)' : `color-mix(in srgb, ${c} 14%, var(--card))`, stroke: c, 'stroke-width': n.order === null ? 1 : 1.6 }));
      if (n.order !== null) g.append(svg('text', { x: n.x + 9, y: n.y + 14, class: 'small' }, n.order));
      g.append(svg('text', { x: n.x + n.w - 11, y: n.y + 15, 'text-anchor': 'end', class: n.order === null ? 'dimmed' : '' }, n.name));
      const aside = n.mark === 'f' ? n.note : n.order === null && n.condition ? `if ${n.condition}` : '';
      g.append(svg('text', { x: n.aside, y: n.y + 15, class: 'small' }, aside.length > 70 ? aside.slice(0, 69) + '…' : aside));
      picture.append(g);
    }
    const last = height - 22, ended = nodes[0].mark;
    line(`M14 ${nodes[0].y + 11} H20 M14 ${nodes[0].y + 11} V${last - 8}`, ended === 'f' ? 'var(--bad)' : ended === 'r' ? 'var(--ok)' : 'var(--line)', ended === 'o' ? { 'stroke-dasharray': '2 4' } : {});
    picture.append(svg('circle', { cx: 14, cy: last, r: 7, fill: 'none', stroke: 'var(--ink)', 'stroke-width': 1.6 }), svg('circle', { cx: 14, cy: last, r: 4, fill: ended === 'f' ? 'var(--bad)' : ended === 'r' ? 'var(--ok)' : 'none' }),
      svg('text', { x: 28, y: last + 4 }, ended === 'f' ? '(failed)' : ended === 'r' ? '(done)' : 'not reached'));
    const legend = el('div', { class: 'legend' }, ...[['var(--ok)', 'returned'], ['var(--accent)', 'entered, not returned'], ['var(--bad)', 'failed'], ['var(--warn)', 'rollback'], ['var(--line)', 'not entered']].map(([c, t]) => { const d = el('span', {}, el('span', { class: 'dot' }), t); d.firstChild.style.background = c; return d; }));
    return el('section', { class: 'card', id: 'machine' }, el('h2', {}, 'State machine', el('small', {}, `${nodes.filter(n => n.order !== null).length} of ${nodes.length} states entered, numbered in the order of the path`)), legend, picture);
  };

  const memory = run => {
    const list = (run.memory ?? []).map(m => ({ ...m, a: BigInt(m.start), b: BigInt(m.end) }));
    // Where the builder did not say where it put anything, there are only points.
    if (!list.some(m => m.b > m.a)) return null;
    const size = n => { const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']; let v = Number(n), u = 0; while (v >= 1024 && u < 6) { v /= 1024; u++; } return `${Number.isInteger(v) ? v : v.toFixed(1)} ${units[u]}`; };
    const solid = list.filter(m => m.b > m.a), points = list.filter(m => m.b === m.a);
    // High addresses above, as in Xen's own comments. Heights grow with the logarithm, or one page would not be seen.
    const high = n => Math.round(20 + 9 * Math.log2(Math.max(1, Number(n) / 4096)));
    const inside = m => solid.some(o => o !== m && o.a <= m.a && m.b <= o.b && (o.a < m.a || m.b < o.b));
    const outer = solid.filter(m => !inside(m));
    const X = 210, WIDTH = 380;
    let y = 24; const parts = [];
    for (let i = outer.length - 1; i >= 0; i--) {
      const m = outer[i], h = Math.max(high(m.b - m.a), 22 * (1 + list.filter(o => o !== m && o.a >= m.a && o.b <= m.b && (o.b < m.b || o.a > m.a)).length));
      parts.push({ m, y, h });
      y += h;
      if (i > 0 && outer[i - 1].b < m.a) { parts.push({ gap: m.a - outer[i - 1].b, y }); y += 30; }
    }
    const picture = svg('svg', { width: 960, height: y + 26, viewBox: `0 0 960 ${y + 26}`, role: 'img', 'aria-label': 'memory layout' });
    const hues = ['--tools', '--xen', '--guest', '--warn', '--ok', '--accent'];
    parts.forEach((p, k) => {
      if (p.gap !== undefined) {
        picture.append(svg('path', { d: `M${X} ${p.y} v30 M${X + WIDTH} ${p.y} v30`, stroke: 'var(--faint)', 'stroke-dasharray': '3 4' }), svg('text', { x: X + WIDTH / 2, y: p.y + 19, 'text-anchor': 'middle', class: 'small' }, `${size(p.gap)} not used`));
        return;
      }
      const hue = `var(${hues[outer.indexOf(p.m) % hues.length]})`;
      picture.append(svg('rect', { x: X, y: p.y, width: WIDTH, height: p.h, fill: `color-mix(in srgb, ${hue} 20%, var(--card))`, stroke: hue }),
        svg('text', { x: X + 14, y: p.y + 15 }, p.m.name), svg('text', { x: X + WIDTH - 12, y: p.y + 15, 'text-anchor': 'end', class: 'small' }, size(p.m.b - p.m.a)),
        svg('text', { x: X - 12, y: p.y + p.h + 4, 'text-anchor': 'end', class: 'small' }, p.m.start), svg('text', { x: X + WIDTH + 14, y: p.y + 15, class: 'small' }, p.m.note));
      list.filter(o => o !== p.m && o.a >= p.m.a && o.b <= p.m.b && (o.b < p.m.b || o.a > p.m.a)).forEach((o, n) => {
        const at = p.y + p.h - 8 - 22 * n;
        picture.append(svg('path', { d: `M${X + WIDTH} ${at - 4} h-14 m0 0 l5 -4 m-5 4 l5 4`, stroke: 'var(--ink)', fill: 'none' }), svg('text', { x: X + WIDTH - 20, y: at, 'text-anchor': 'end' }, o.name), svg('text', { x: X + WIDTH + 14, y: at, class: 'small' }, o.b > o.a ? `${o.start}, ${size(o.b - o.a)} ${o.note}` : `${o.start} ${o.note}`));
      });
    });
    const lastPart = parts[0];
    picture.append(svg('text', { x: X - 12, y: lastPart.y + 4, 'text-anchor': 'end', class: 'small' }, lastPart.m.end));
    return el('section', { class: 'card', id: 'memory' }, el('h2', {}, 'Memory', el('small', {}, 'high addresses above; heights by the logarithm')), picture);
  };

  const page = run => {
    const p = run.page && data.pages[run.page.digest];
    if (!p) return null;
    const detail = el('div', {}), grid = el('div', { class: 'grid' });
    const show = (slot, cell) => {
      for (const c of grid.children) c.setAttribute('aria-pressed', c === cell);
      const [n, name, lines, filler] = slot;
      const body = el('tbody', {}, ...lines.map(([bytes, textOf]) => el('tr', {}, el('td', { class: 'b' }, bytes), el('td', {}, textOf))));
      if (filler) body.append(el('tr', {}, el('td', { class: 'b' }, 'cc'), el('td', { class: 'b' }, `× ${filler}`)));
      detail.replaceChildren(el('h2', {}, name || 'no hypercall', el('small', {}, `slot ${n}, offset 0x${(n * 32).toString(16)}`)), el('table', { class: 'asm' }, body));
    };
    const usual = p.slots.map(s => s[2].length).sort((a, b) => a - b)[64];
    for (const slot of p.slots) {
      const cell = el('button', { type: 'button', class: `cell${slot[1] ? ' named' : ''}${slot[2].length !== usual ? ' special' : ''}`, title: `${slot[0]} ${slot[1]}`, on: () => show(slot, cell) }, slot[0].toString(16).padStart(2, '0'));
      grid.append(cell);
    }
    show(p.slots[23], grid.children[23]);
    return el('section', { class: 'card', id: 'page' }, el('h2', {}, 'Hypercall page', el('small', {}, `written by ${run.page.writer}, SHA-256 ${run.page.digest.slice(0, 16)}…; a slot's number is that of its hypercall`)), el('div', { class: 'page' }, grid, detail));
  };

  const calls = run => {
    const list = run.hypercalls ?? [];
    if (!list.length) return null;
    const most = Math.max(...list.map(c => c.count));
    const body = el('tbody', {}, ...list.map(c => { const bar = el('div', { class: 'bar' }); bar.style.width = `${100 * c.count / most}%`; return el('tr', {}, el('td', {}, c.by), el('td', { class: 'mono' }, c.name), el('td', { class: 'n' }, number(c.count)), el('td', { class: 'n' }, c.failed ? number(c.failed) : ''), el('td', {}, bar)); }));
    return el('section', { class: 'card', id: 'calls' }, el('h2', {}, 'Hypercalls'), el('table', {}, el('thead', {}, el('tr', {}, el('th', {}, 'By'), el('th', {}, 'Name'), el('th', { class: 'n' }, 'Made'), el('th', { class: 'n' }, 'Refused'), el('th', {}, ''))), body));
  };

  const consoleOf = run => run.console ? el('section', { class: 'card', id: 'console' }, el('h2', {}, 'Console'), el('pre', { class: 'term' }, run.console.replace(/\r/g, ''))) : null;

  const fact = (label, value) => el('div', {}, el('b', {}, value), label);
  const show = () => {
    const i = /^#s(\d+)/.exec(location.hash);
    const s = i && data.scenarios[Number(i[1])];
    $('overview').hidden = !!s;
    $('detail').hidden = !s;
    if (!s) return;
    const run = s.run ?? { stages: [] }, at = Number(i[1]);
    const sections = [['failure', 'Failure', failure(s)], ['stages', 'Stages', stages(run)], ['machine', 'State machine', machine(s, run)], ['memory', 'Memory', memory(run)], ['page', 'Hypercall page', page(run)], ['calls', 'Hypercalls', calls(run)], ['console', 'Console', consoleOf(run)]].filter(x => x[2]);
    const jump = id => e => { e.preventDefault(); $(id).scrollIntoView(); };
    $('detail').replaceChildren(
      el('div', { class: 'crumbs' }, el('a', { href: '#' }, '← all scenarios'), at > 0 ? el('a', { href: `#s${at - 1}` }, 'previous') : null, at + 1 < data.scenarios.length ? el('a', { href: `#s${at + 1}` }, 'next') : null),
      el('h1', {}, s.name, ' ', el('span', { class: `verdict v-${s.verdict}` }, s.verdict)),
      el('p', { class: 'lead' }, s.description),
      el('div', { class: 'facts' }, fact('Xen', s.xen), fact('path', s.path), fact('guest instructions', number(s.instructions)), fact('events', number(s.events)), fact('virtual time', `${(s.nanoseconds / 1e6).toFixed(3)} ms`), s.digest ? fact('digest of the trace', s.digest.slice(0, 12)) : null, s.seed ? fact('seed', s.seed) : null),
      el('p', {}, el('code', {}, s.file), ' ', ...(s.tags ?? []).map(t => el('span', { class: 'tag' }, t))),
      el('nav', { class: 'sections' }, ...sections.map(([id, label]) => el('a', { href: `#${id}`, on: jump(id) }, label))),
      ...sections.map(x => x[2]),
      s.verdict === 'skipped' ? el('p', { class: 'note' }, s.detail) : '');
    scrollTo(0, 0);
    document.title = s.name;
    // ?section=memory shows that one alone, for printing and for pictures.
    const wanted = new URLSearchParams(location.search).get('section');
    for (const card of document.querySelectorAll('#detail > section')) card.hidden = wanted !== null && card.id !== wanted;
  };
  addEventListener('hashchange', show);
  show();
  root.dataset.ready = 'true';
})();
