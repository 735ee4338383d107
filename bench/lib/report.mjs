/** The performance tables of README.md, made from result files. */

const BENCHMARKS = ['train', 'layers', 'optimizer', 'data'];

// Where a result does not say, it is of the time when there was one choice.
const layoutOf = ({ layout = 'erk' }) => layout;
const sizeOf = ({ imageSize = 32 }) => imageSize;
const roundsOf = ({ rounds, contestants }) => rounds ?? contestants[0].secondsPerStep.length;

/** What one result is about; of the results about the same, the newest counts. */
function subject({ benchmark, options, machine }) {
  if (benchmark === 'train')
    return `${options.model} ${sizeOf(options)} ${machine.device.kind} ${options.dtype ?? 'f32'} ${options.peers ?? ''}`;
  if (benchmark === 'optimizer') return `optimizer ${options.model} ${machine.device.kind} ${options.dtype}`;
  return benchmark;
}

/** [{file, result}] -> the newest of each subject, in the order of their names. */
export function newest(results) {
  const latest = new Map();
  for (const one of results.filter(({ result }) => BENCHMARKS.includes(result.benchmark))) {
    const other = latest.get(subject(one.result));
    if (other === undefined || other.result.date < one.result.date) latest.set(subject(one.result), one);
  }
  return [...latest].sort(([a], [b]) => a.localeCompare(b)).map(([, one]) => one);
}

const row = (cells) => `| ${cells.join(' | ')} |`;
const markdown = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
const ratio = ({ median, min, max }) => `${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`;

function provenance({ file, result }) {
  const { cpu, cores, device, gpu } = result.machine;
  const where =
    device.kind === 'cuda'
      ? `an ${device.name}, driver ${gpu?.driver_version ?? 'unknown'}`
      : `${cores} cores of ${cpu} (${device.isa}), ${device.threads} threads`;
  return (
    `${where}, ${result.date.slice(0, 10)}, medians of ${roundsOf(result)} rounds in turn ` +
    `([the result](bench/results/${file}), \`${result.command}\`).`
  );
}

function trainTable(one) {
  const { options, contestants, ratios } = one.result;
  const over = (name) => ratios.find(({ what }) => what.startsWith(`${name} / `) && what.endsWith('images per second'));
  const rows = contestants.map(({ name, imagesPerSecond, peakMB }) => {
    const speedup = over(name);
    return [
      name,
      imagesPerSecond.toFixed(1),
      speedup === undefined ? '' : ratio(speedup),
      peakMB === undefined ? '' : peakMB.toFixed(0),
    ];
  });
  const fastest = ratios.find(({ what }) => what.endsWith('images per second'))?.what.match(/ \/ (.*), images/)?.[1];
  const against = fastest === undefined ? 'over PyTorch' : `over ${fastest}`;
  const costs = ratios
    .filter(({ what }) => / \/ (sgd|s2sam), step time$/.test(what))
    .map((cost) => `- ${cost.what.replace(', step time', '')}: ${ratio(cost)} times the step time`);
  const image = `${sizeOf(options)} x ${sizeOf(options)}`;
  return [
    `**${options.model}**, images of ${image}, batch ${options.batch}, ${options.dtype ?? 'f32'}, layout ${layoutOf(options)}: ${provenance(one)}`,
    '',
    markdown(['', 'images per second', against, 'peak MB'], rows),
    ...(costs.length === 0 ? [] : ['', ...costs]),
  ].join('\n');
}

function layersTable(one) {
  const { layers, options, peaks } = one.result;
  const shown = options.sparsities.filter((sparsity) => sparsity >= 0.8);
  const rows = layers.map(({ name, breakEven, sums, theirs }) => [
    name,
    theirs === undefined ? 'not measured' : breakEven === null ? 'none' : `${(100 * breakEven).toFixed(0)} %`,
    ...[0, ...shown].map((sparsity) => sums.find((sum) => sum.sparsity === sparsity)?.speedup?.toFixed(2) ?? ''),
  ]);
  const head = ['layer', 'break-even', 'dense', ...shown.map((sparsity) => `${(100 * sparsity).toFixed(0)} %`)];
  return [
    `One layer at a time, forward plus both gradients, times as fast as PyTorch's dense layer (the faster of NCHW and ` +
      `channels-last), and the sparsity from which ours is the faster; the machine feeds ${peaks.secondLevel.toFixed(0)} ` +
      `GFLOP/s from its second-level cache: ${provenance(one)}`,
    '',
    markdown(head, rows),
  ].join('\n');
}

function optimizerTable(one) {
  const { options, parameters, contestants, ratios } = one.result;
  const rows = contestants.map(({ name, medianSecondsPerStep, bytesPerParameter, gigabytesPerSecond }) => [
    name,
    (1e6 * medianSecondsPerStep).toFixed(1),
    bytesPerParameter.toFixed(2),
    gigabytesPerSecond.toFixed(1),
  ]);
  return [
    `**${options.model}**, the optimizer's part of a step alone, ${(parameters / 1e6).toFixed(1)} million parameters, ` +
      `${options.dtype}: ${provenance(one)}`,
    '',
    markdown(['', 'microseconds per step', 'bytes per parameter', 'GB/s'], rows),
    ...(ratios.length === 0 ? [] : ['', ...ratios.map((each) => `- ${each.what}: ${ratio(each)}`)]),
  ].join('\n');
}

function dataTable(one) {
  const { contestants, ratios, options } = one.result;
  const rows = contestants.map(({ name, imagesPerSecond }) => {
    const over = ratios.find(({ what }) => what.startsWith(`${name} / `));
    return [name, imagesPerSecond.toFixed(0), over === undefined ? '' : ratio(over)];
  });
  return [
    `From files to batches of 224 x 224 on one core, ${options.images} photographs of natural size; ours end in bytes that the device ` +
      `normalises, torchvision's in normalised floats ("u8": in bytes): ${provenance(one)}`,
    '',
    markdown(['', 'images per second', 'over torchvision'], rows),
  ].join('\n');
}

/** The text between the markers of README.md, by their names. `results`: [{file, result}]. */
export function sections(results) {
  const latest = newest(results);
  const of = (benchmark, table) =>
    latest
      .filter(({ result }) => result.benchmark === benchmark)
      .map(table)
      .join('\n\n') || 'Not measured yet.';
  const tables = { train: trainTable, layers: layersTable, optimizer: optimizerTable, data: dataTable };
  return Object.fromEntries(BENCHMARKS.map((benchmark) => [benchmark, of(benchmark, tables[benchmark])]));
}

/** Throws an Error where a marker is missing. */
export function fill(readme, texts) {
  return Object.entries(texts).reduce((text, [name, content]) => {
    const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
    const [begin, end] = [text.indexOf(open), text.indexOf(close)];
    if (begin < 0 || end < begin) throw new Error(`README.md has no ${open} ... ${close}`);
    return `${text.slice(0, begin + open.length)}\n${content}\n${text.slice(end)}`;
  }, readme);
}
