import { html } from './escape.js';

/** Rows of cells under a head. */
export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Columns of words lie to the left, columns of numbers to the right. */
const isNumeric = ({ rows }: Table, column: number): boolean =>
  rows.length > 0 && rows.every((row) => /^([-+]?[\d.,]|-$)/.test(row[column] ?? ''));

/** Lines of a table for a terminal. */
export function textTable(table: Table): string[] {
  const all = [table.head, ...table.rows];
  const widths = table.head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const width = widths[column] as number;
        return isNumeric(table, column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return all.map(line);
}

const markdownCell = (text: string): string => text.replace(/[|\\]/g, '\\$&');

export function markdownTable(table: Table): string {
  const line = (row: readonly string[]): string => `| ${row.map(markdownCell).join(' | ')} |`;
  const rule = `|${table.head.map((_, column) => (isNumeric(table, column) ? ' ---: |' : ' --- |')).join('')}`;
  return [`### ${table.title}`, '', line(table.head), rule, ...table.rows.map(line)].join('\n');
}

/** A heading and the table; every text is escaped. */
export function htmlTable(table: Table): string {
  const cells = (row: readonly string[], tag: 'th' | 'td'): string =>
    row
      .map((cell, column) => `<${tag}${isNumeric(table, column) ? ' class="count"' : ''}>${html(cell)}</${tag}>`)
      .join('');
  const rows = table.rows.map((row) => `<tr>${cells(row, 'td')}</tr>`);
  return [
    `<h2>${html(table.title)}</h2>`,
    '<div class="wide"><table class="layers">',
    `<tr>${cells(table.head, 'th')}</tr>`,
    ...rows,
    '</table></div>',
  ].join('\n');
}
