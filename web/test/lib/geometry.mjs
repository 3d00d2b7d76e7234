// Looks at what is drawn by rectangles and scroll widths: text that is cut, controls that stick out of their panel,
// lie on each other or under something else. Free text of users, which may be of any length, is marked by
// data-long; it may be shortened where its title has the whole of it.
/** What is wrong with what a page shows now, in words. */
export function misplaced(page) {
  return page.evaluate(look);
}

function look() {
  const found = new Set();
  const slack = 1.5;
  const styles = new Map();
  const getComputedStyle = (el) => {
    if (!styles.has(el)) styles.set(el, globalThis.getComputedStyle(el));
    return styles.get(el);
  };
  // Whether something holds of an element or of one that it is in, each asked once.
  const within = (holds) => {
    const known = new Map();
    const ask = (el) => {
      if (el === null) return false;
      if (!known.has(el)) known.set(el, holds(el) || ask(up(el)));
      return known.get(el);
    };
    return ask;
  };
  const up = (node) => node.assignedSlot ?? node.parentElement ?? node.getRootNode().host ?? null;
  const ancestors = function* (node) {
    for (let at = up(node); at; at = up(at)) yield at;
  };
  const name = (el) => {
    const words = (el.getAttribute('aria-label') ?? el.textContent ?? '').trim().replace(/\s+/g, ' ').slice(0, 40);
    const host = el.getRootNode().host?.localName ?? '';
    const kind = el.className && typeof el.className === 'string' ? `.${el.className.trim().replace(/\s+/g, '.')}` : '';
    return `${host} ${el.localName}${kind} “${words}”`;
  };
  const all = [];
  const walk = (root) => {
    for (const el of root.querySelectorAll('*')) {
      all.push(el);
      if (el.shadowRoot) walk(el.shadowRoot);
    }
  };
  walk(document);
  const clipped = within((a) => getComputedStyle(a).clipPath !== 'none');
  const shown = (el) => {
    if (!el.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
    const { width, height } = el.getBoundingClientRect();
    // What is for screen readers alone is one pixel.
    return width > 1 && height > 1 && !clipped(el);
  };
  const scrolls = (style) => /auto|scroll/.test(style.overflowX);
  const clips = (style) => /hidden|clip/.test(style.overflowX);
  const texts = (el) => [...el.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim() !== '');

  // Text that is cut.
  for (const el of all) {
    const style = getComputedStyle(el);
    if (el.closest('svg') || !shown(el)) continue;
    const hasText = el.textContent.trim() !== '' && el.localName !== 'select' && el.localName !== 'option';
    if (clips(style) && hasText && el.clientWidth > 0 && el.scrollWidth > el.clientWidth + 1) {
      const long = el.matches('[data-long]') ? el : (el.querySelector('[data-long]') ?? el.closest('[data-long]'));
      const ellipsis = style.textOverflow === 'ellipsis';
      if (!long || !ellipsis || !(long.getAttribute('title') ?? '')) found.add(`cut: ${name(el)}`);
    }
    if (
      /hidden|clip/.test(style.overflowY) &&
      hasText &&
      texts(el) &&
      el.clientHeight > 0 &&
      el.scrollHeight > el.clientHeight + 3
    )
      found.add(`cut below: ${name(el)}`);
  }

  // Text that sticks out of its panel or of the screen, or that is set one letter a line.
  const rangeOf = (node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return range.getBoundingClientRect();
  };
  const inside = (rect, el, what) => {
    for (const a of ancestors(el)) {
      const style = getComputedStyle(a);
      const box = a.getBoundingClientRect();
      if (scrolls(style) || clips(style)) return;
      if (style.display === 'contents' || style.display === 'inline') continue;
      const bounds = a.matches(
        '.panel, fieldset, section, dialog, .banner, td, th, dd, dt, .page, header, li, [popover]',
      );
      if (bounds && box.width > 0 && (rect.right > box.right + slack || rect.left < box.left - slack)) {
        found.add(`${what} outside of ${name(a).slice(0, 60)}: ${name(el)}`);
        return;
      }
      if (style.position === 'fixed') break;
    }
    if (rect.right > innerWidth + slack || rect.left < -slack) found.add(`${what} outside of the screen: ${name(el)}`);
  };
  for (const el of all) {
    if (!texts(el) || !shown(el) || el.closest('svg, option, select, style')) continue;
    for (const node of el.childNodes) {
      if (node.nodeType !== 3 || node.textContent.trim().length < 2) continue;
      const rect = rangeOf(node);
      if (rect.width < 1) continue;
      const style = getComputedStyle(el);
      const line = Number.parseFloat(style.lineHeight) || 1.3 * Number.parseFloat(style.fontSize);
      if (
        rect.width < 2.2 * Number.parseFloat(style.fontSize) &&
        rect.height > 2.4 * line &&
        node.textContent.trim().length > 3
      )
        found.add(`one letter a line: ${name(el)}`);
      if (!(clips(style) || scrolls(style)) && style.position !== 'absolute') inside(rect, el, 'text');
    }
  }

  // Controls.
  const controls = all.filter(
    (el) =>
      el.matches('button, a[href], input:not([type=file]), select, textarea, summary, [role=switch], [role=slider]') &&
      shown(el),
  );
  for (const el of controls) {
    if (getComputedStyle(el).position !== 'absolute') inside(el.getBoundingClientRect(), el, 'control');
  }
  const visibleRect = (el) => {
    let { left, right, top, bottom } = el.getBoundingClientRect();
    for (const a of ancestors(el)) {
      const style = getComputedStyle(a);
      if (style.overflowX === 'visible' && style.overflowY === 'visible') continue;
      const box = a.getBoundingClientRect();
      left = Math.max(left, box.left);
      right = Math.min(right, box.right);
      top = Math.max(top, box.top);
      bottom = Math.min(bottom, box.bottom);
    }
    return { left, right, top, bottom };
  };
  const outOfFlow = within((a) => /fixed|sticky/.test(getComputedStyle(a).position));
  const rects = controls.filter((el) => !outOfFlow(el)).map((el) => [el, visibleRect(el)]);
  for (const [i, [a, x]] of rects.entries()) {
    for (const [b, y] of rects.slice(i + 1)) {
      if (a.contains(b) || b.contains(a) || [...ancestors(b)].includes(a)) continue;
      const wide = Math.min(x.right, y.right) - Math.max(x.left, y.left);
      const high = Math.min(x.bottom, y.bottom) - Math.max(x.top, y.top);
      if (wide > 2 && high > 2) found.add(`on each other: ${name(a)} and ${name(b)}`);
    }
  }

  // Whatever the focus can go to can be seen when it is there.
  const scrolled = all.filter((el) => el.scrollTop !== 0).map((el) => [el, el.scrollTop]);
  const at = (x, y) => {
    let el = document.elementFromPoint(x, y);
    while (el?.shadowRoot) {
      const inner = el.shadowRoot.elementFromPoint(x, y);
      if (!inner || inner === el) break;
      el = inner;
    }
    return el;
  };
  const related = (a, b) => a === b || [...ancestors(a)].includes(b) || [...ancestors(b)].includes(a);
  let rows = 0;
  for (const el of controls) {
    if (el.closest('.row') && ++rows > 4) continue;
    if (el.matches('.skip')) continue;
    el.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    const r = el.getBoundingClientRect();
    const top = at(r.left + r.width / 2, r.top + r.height / 2);
    if (!top) found.add(`cannot be scrolled to: ${name(el)}`);
    else if (!related(top, el) && !top.closest('label')?.contains(el))
      found.add(`covered by ${name(top).slice(0, 60)}: ${name(el)}`);
  }
  for (const el of all) el.scrollTop = 0;
  for (const [el, y] of scrolled) el.scrollTop = y;
  return [...found];
}
