// What can be measured of a page's looks: contrast (WCAG 2.2, 1.4.3 and 1.4.11), width (1.4.10), the size of what is pressed (2.5.8).

import assert from 'node:assert/strict';

/** Runs in the page: every text and every edge with its contrast against what is behind it. */
function measured() {
  const numbers = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  // Colours that the style mixes are told as fractions, the others as bytes.
  const bytes = (color) => (color.startsWith('color(') ? numbers(color.replace('srgb', '')).map((part, at) => (at < 3 ? part * 255 : part)) : numbers(color));
  const light = (color) => {
    const [red, green, blue] = bytes(color).map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [less, more] = [light(one), light(other)].sort((a, b) => a - b);
    return Math.round(((more + 0.05) / (less + 0.05)) * 100) / 100;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (bytes(color).length === 3 || bytes(color)[3] === 1) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const name = (element) => `${element.tagName.toLowerCase()}${element.id && `#${element.id}`} "${element.textContent.trim().slice(0, 30)}"`;
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    const style = getComputedStyle(element);
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
    if (hasText) found.push({ what: `the text of ${name(element)}`, contrast: contrast(style.color, behind(element)), least: 4.5 });
    if (element.matches('input[type=text], input[type=password]')) {
      found.push({ what: `the edge of ${name(element)}`, contrast: contrast(style.borderTopColor, behind(element)), least: 3 });
    }
    if (element.matches('button, input:not([type=hidden])')) {
      const target = element.closest('label') ?? element;
      const { width, height } = target.getBoundingClientRect();
      found.push({ what: `the size of ${name(element)}`, contrast: Math.min(width, height), least: 24 });
    }
  }
  const focused = document.activeElement;
  if (focused !== document.body && focused.matches(':focus-visible')) {
    const style = getComputedStyle(focused);
    found.push({ what: `the ring around ${name(focused)}`, contrast: contrast(style.outlineColor, behind(focused.parentElement)), least: 3 });
    found.push({ what: `the width of the ring around ${name(focused)}`, contrast: Number.parseFloat(style.outlineWidth), least: 2 });
  }
  return { found, wide: document.documentElement.scrollWidth - document.documentElement.clientWidth };
}

/** Measures a page. */
export async function looks(page) {
  const { found, wide } = await page.evaluate(measured);
  assert.equal(wide, 0, 'the page is wider than its window');
  const bad = found.filter(({ contrast, least }) => !(contrast >= least)).map(({ what, contrast, least }) => `${what}: ${contrast}, not ${least}`);
  assert(bad.length === 0, bad.join('; '));
}
