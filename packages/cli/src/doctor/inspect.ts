import { availableParallelism, cpus, totalmem } from 'node:os';
import { basename } from 'node:path';
import { openDevice } from '@s2sam/core';
import { DatasetUnavailableError, openDataset } from '@s2sam/data';
import { type BackendInfo, loadCpu, openImagePool } from '@s2sam/native';
import { cudaFindings } from './cuda.js';
import { type Finding, gigabytes, told } from './finding.js';
import { type SelfTest, selfTest } from './selfTest.js';

function nodeFinding(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > 20 || (major === 20 && minor >= 19);
  return { name: 'node', ok, detail: `${process.version}${ok ? '' : '; 20.19 or later is needed'}` };
}

function machineFinding(): Finding {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const cores = availableParallelism();
  return told('machine', `${process.platform}-${process.arch}, ${model}, ${cores} cores, ${gigabytes(totalmem())}`);
}

/** Shared libraries of the process: Node reports what the system's loader has loaded. */
function sharedObjects(): string[] {
  const report = process.report.getReport() as { sharedObjects?: string[] };
  return report.sharedObjects ?? [];
}

function binaryFindings(info: BackendInfo): Finding[] {
  const loaded = sharedObjects();
  const path = loaded.find((file) => file.endsWith('s2sam_cpu.node')) ?? 'built in';
  const libraries = loaded.filter((file) => /\/lib(stdc\+\+|c\+\+|m|c)\.so/.test(file)).map((file) => basename(file));
  const build = Object.entries(info.build).map(([key, value]) => `${key} ${value}`);
  return [
    { name: 'binary', ok: true, detail: `${path}, version ${info.version}` },
    told('compiler', build.join(', ')),
    told('libraries', libraries.join(', ')),
  ];
}

/** Whether images in files can be read. */
function imagesFinding(): Finding {
  try {
    openImagePool(1).close();
    return { name: 'images', ok: true, detail: 'JPEG files are decoded by libjpeg-turbo' };
  } catch (error) {
    return told('images', `image files cannot be read; ${(error as Error).message}`);
  }
}

/** What of the known data sets lies on this machine; a damaged copy is a fault, a missing one is not. */
async function dataFinding(name: 'cifar10' | 'cifar100', root: string | undefined): Promise<Finding> {
  try {
    const { dataset } = await openDataset(name, { download: false, ...(root === undefined ? {} : { root }) });
    return { name, ok: true, detail: `${dataset.train.size} training and ${dataset.test.size} test images` };
  } catch (error) {
    if (error instanceof DatasetUnavailableError) return told(name, `not on this machine; ${error.message}`);
    return { name, ok: false, detail: (error as Error).message };
  }
}

function testFinding({ error, passed, gflops }: SelfTest): Finding {
  const detail = `convolution ${passed ? 'right' : 'WRONG'} (relative error ${error.toExponential(1)}), ${gflops.toFixed(1)} GFLOP/s`;
  return { name: 'self-test', ok: passed, detail };
}

/** Everything `doctor` tells; a part that throws becomes a finding that is not ok. */
export async function inspect(
  dataRoot: string | undefined,
): Promise<{ findings: Finding[]; selfTest: SelfTest | undefined }> {
  const findings = [nodeFinding(), machineFinding(), ...cudaFindings()];
  let result: SelfTest | undefined;
  try {
    const info = loadCpu().info();
    findings.push(...binaryFindings(info));
    await using opened = await openDevice(undefined, { notify: () => {} });
    const sets = `compiled ${info.compiledIsas.join(', ')}; used ${opened.isa || 'none'}`;
    findings.push({ name: 'device', ok: true, detail: `${opened.name} (${opened.kind}), ${opened.threads} threads` });
    findings.push(told('instructions', sets));
    result = await selfTest(opened);
    findings.push(testFinding(result));
  } catch (error) {
    findings.push({ name: 'device', ok: false, detail: error instanceof Error ? error.message : String(error) });
  }
  findings.push(imagesFinding());
  findings.push(await dataFinding('cifar10', dataRoot), await dataFinding('cifar100', dataRoot));
  findings.push(told('python', 'not needed'));
  return { findings, selfTest: result };
}
