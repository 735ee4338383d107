const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML text or attribute value. */
export const html = (text: string): string => text.replace(/[&<>"']/g, (sign) => entities[sign] as string);

/** A value as JSON that may stand inside a script element: no `<` can end it, no line separator can break it. */
export const json = (value: unknown): string =>
  JSON.stringify(value).replace(/[<\u2028\u2029]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
