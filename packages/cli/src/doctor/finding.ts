/** One thing looked at. `ok` is undefined for what is only told. */
export interface Finding {
  readonly name: string;
  readonly ok: boolean | undefined;
  readonly detail: string;
}

export const told = (name: string, detail: string): Finding => ({ name, ok: undefined, detail });

export const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
