// Writing and reading the little XML that the AWS query and S3 protocols need; no document type, no entity is ever expanded.
// Writing escapes everything; reading takes leaf elements out of small documents by name.

/** A tree to write: text, number, nested elements, or a list that repeats its element. */
export type XmlValue = string | number | boolean | XmlElements | readonly XmlElements[];
/** Elements by name; undefined ones are left out. */
export interface XmlElements {
  readonly [name: string]: XmlValue | undefined;
}

/** One document with a root element and attributes (for the namespace). */
export function xml(root: string, elements: XmlElements, namespace?: string): string {
  const attribute = namespace === undefined ? '' : ` xmlns="${escape(namespace)}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${attribute}>${inner(elements)}</${root}>`;
}

function inner(elements: XmlElements): string {
  return Object.entries(elements)
    .map(([name, value]) => (value === undefined ? '' : element(name, value)))
    .join('');
}

function element(name: string, value: XmlValue): string {
  if (Array.isArray(value)) return (value as readonly XmlElements[]).map((item) => element(name, item)).join('');
  if (typeof value === 'object') return `<${name}>${inner(value as XmlElements)}</${name}>`;
  return `<${name}>${escape(String(value))}</${name}>`;
}

function escape(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  // Control characters do not exist in XML 1.0; a numeric reference is what S3 writes for those that do.
  return text.replace(/[&<>"'\r\n\t]/g, (char) => names[char] ?? `&#${char.charCodeAt(0)};`);
}

/** The inner text of every element of this name, in order. Only for names without attributes that matter. */
export function elementsNamed(document: string, name: string): string[] {
  const found: string[] = [];
  const open = new RegExp(`<${name}(?:\\s[^<>]*)?>`, 'g');
  const close = `</${name}>`;
  for (let match = open.exec(document); match; match = open.exec(document)) {
    const start = match.index + match[0].length;
    const end = document.indexOf(close, start);
    if (end < 0) break;
    found.push(document.slice(start, end));
    open.lastIndex = end + close.length;
  }
  return found;
}

/** The text of the first element of this name with the five XML entities resolved. */
export function leaf(document: string, name: string): string | undefined {
  const [text] = elementsNamed(document, name);
  const names: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", '#34': '"', '#39': "'" };
  return text?.trim().replace(/&(amp|lt|gt|quot|apos|#34|#39);/g, (_, entity: string) => names[entity] ?? '');
}
