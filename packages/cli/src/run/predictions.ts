import { type Classifier, predict, writeFileAtomically } from '@s2sam/core';
import type { Session } from '../setup/session.js';

/** Writes a line `index,label,predicted,logit` for every test image. */
export async function writePredictions(
  model: Classifier,
  { dataset }: Session,
  path: string,
  { batchSize, signal }: { readonly batchSize: number; readonly signal: AbortSignal },
): Promise<void> {
  const lines = ['index,label,predicted,logit'];
  for await (const { index, label, predicted, logit } of predict(model, { data: dataset, batchSize, signal })) {
    lines.push(`${index},${label},${predicted},${logit}`);
  }
  await writeFileAtomically(path, async (file) => {
    await file.writeFile(`${lines.join('\n')}\n`);
  });
}
