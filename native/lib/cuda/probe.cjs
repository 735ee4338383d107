// The first load of a CUDA binary, in a process that may die of it: node probe.cjs BINARY '{"cudnn": "/path", ...}'
// prints one line: what the binary says of itself, or why it cannot be loaded.
const [binary, libraries] = process.argv.slice(2);

function load() {
  const loaded = { exports: {} };
  process.dlopen(loaded, binary);
  const { useLibraries, info } = loaded.exports;
  useLibraries?.(JSON.parse(libraries));
  return { functions: Object.keys(loaded.exports), info: info?.() };
}

let answer;
try {
  answer = load();
} catch (error) {
  answer = { error: String(error.message ?? error) };
}
// On a line of its own: drivers print what they like.
process.stdout.write(`\ns2sam-probe ${JSON.stringify(answer)}\n`);
