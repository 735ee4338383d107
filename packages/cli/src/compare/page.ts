import type { Assets } from '../report/assets.js';
import { html } from '../report/escape.js';
import { htmlTable, markdownTable, type Table, textTable } from '../report/table.js';

/** What a comparison says, in whichever form. */
export interface Findings {
  readonly title: string;
  readonly synthetic: boolean;
  readonly tables: readonly Table[];
  readonly remarks: readonly string[];
}

const SYNTHETIC = 'Synthetic data: the images are made up; accuracies say nothing about a real data set.';

const notes = ({ synthetic, remarks }: Findings): string[] => [...(synthetic ? [SYNTHETIC] : []), ...remarks];

export const asText = (findings: Findings): string =>
  [
    ...findings.tables.map((table) => [table.title, '', ...textTable(table)].join('\n')),
    ...notes(findings).map((note) => `note: ${note}`),
  ].join('\n\n');

export const asMarkdown = (findings: Findings): string =>
  [`## ${findings.title}`, ...findings.tables.map(markdownTable), ...notes(findings).map((note) => `*${note}*`)].join(
    '\n\n',
  );

/** One page that needs nothing else. */
export const asHtml = (findings: Findings, { style }: Pick<Assets, 'style'>): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${html(findings.title)} - s2sam</title>
<style>${style}</style>
</head>
<body>
<h1>${html(findings.title)}</h1>
${notes(findings)
  .map((note) => `<p class="synthetic">${html(note)}</p>`)
  .join('\n')}
${findings.tables.map(htmlTable).join('\n')}
</body>
</html>
`;
