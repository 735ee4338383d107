/**
 * Why a device cannot run what a binary was compiled for; empty if it can. Machine code (sm_NN) runs on later minor versions of its
 * own major version, PTX (compute_NN) on everything newer; what ends in a letter runs on exactly its own version.
 *
 * @param device compute capability, e.g. sm_90
 * @param compiled e.g. [sm_80, sm_90, compute_90]
 */
export function checkCapability(device: string, compiled: readonly string[]): string {
  const own = Number(device.replace(/\D/g, ''));
  const runs = compiled.some((target) => {
    const [, kind, digits, letter] = /^(sm|compute)_(\d+)([a-z]?)$/.exec(target) ?? [];
    const number = Number(digits);
    if (letter !== '') return number === own;
    return number <= own && (kind === 'compute' || Math.floor(number / 10) === Math.floor(own / 10));
  });
  return runs ? '' : `its compute capability is ${device}, but the binary was built for ${compiled.join(', ')}`;
}
