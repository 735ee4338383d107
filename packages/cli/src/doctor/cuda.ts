import { type CudaDevice, type CudaLibrary, type CudaReport, inspectCuda } from '@s2sam/native';
import { type Finding, gigabytes, told } from './finding.js';

function deviceFinding({ index, name, memoryBytes, isa, reason }: CudaDevice): Finding {
  const detail = `${name}, ${gigabytes(memoryBytes)}, compute capability ${isa}`;
  const id = `cuda:${index}`;
  return reason === '' ? { name: id, ok: true, detail } : told(id, `${detail}; not used: ${reason}`);
}

function driverFinding({ driver, build }: CudaReport): Finding {
  if (driver === undefined) return told('driver', 'no NVIDIA driver');
  const facts = [driver.version, build.driver, driver.path].filter((fact) => fact !== undefined);
  return told(
    'driver',
    `NVIDIA ${facts.join(', ')}${build.problem === undefined ? '' : `; it says: ${build.problem}`}`,
  );
}

const libraryFinding = ({ name, version, path, reason }: CudaLibrary): Finding =>
  told(name, reason === '' ? [version, path].filter((fact) => fact !== undefined).join(', ') : `not used: ${reason}`);

function binaryFinding({ binary, build }: CudaReport): Finding[] {
  if (binary === undefined) return [];
  const parts = [binary, build.runtime, build.compiler].filter((part) => part !== undefined);
  return [told('cuda binary', parts.join(', '))];
}

/** Whether CUDA is used and if not, why; the driver, our binary, NVIDIA's libraries, every GPU. None of it is needed. */
export function cudaFindings(): Finding[] {
  const report = inspectCuda();
  const usable = report.devices.filter(({ reason }) => reason === '');
  const names = usable.map(({ index, name }) => `cuda:${index} ${name}`).join(', ');
  return [
    report.reason === '' ? { name: 'cuda', ok: true, detail: names } : told('cuda', `not used: ${report.reason}`),
    driverFinding(report),
    ...binaryFinding(report),
    ...report.libraries.map(libraryFinding),
    ...report.devices.map(deviceFinding),
  ];
}
