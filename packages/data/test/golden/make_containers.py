#!/usr/bin/env python3
"""Writes what other programs make of the files in images.safetensors: a WebDataset shard and parquet files as published on model hubs.

    python -m venv venv && venv/bin/pip install safetensors numpy "pyarrow<25"
    venv/bin/python make_containers.py
"""

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file

HERE = Path(__file__).parent
NAMES = ["half_colours", "grey", "progressive", "png", "small", "turned"]


def add(tar, name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mtime = 1700000000.25  # a fraction, as WebDataset's writer has: makes a pax header
    tar.addfile(info, io.BytesIO(content))


def write_shard(path, files, long_names):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for label, (name, content) in enumerate(files.items()):
            key = f"{'a-rather-long-folder-name/' * 5 if long_names else ''}{name}"
            add(tar, f"{key}.jpg", content)
            if label % 2 == 0:
                add(tar, f"{key}.cls", str(label).encode())
            else:
                add(tar, f"{key}.json", json.dumps({"label": label, "file": name}).encode())


def write_parquet(path, files):
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": content, "path": f"{name}.jpg"} for name, content in files.items()]
    table = pa.table({"image": pa.array(rows, struct), "label": pa.array(list(range(len(rows))), pa.int64())})
    pq.write_table(table, path, row_group_size=4, compression="snappy")


def main():
    tensors = load_file(HERE / "images.safetensors")
    files = {name: tensors[f"{name}/file"].tobytes() for name in NAMES}
    shards, parquet = HERE / "shards", HERE / "parquet"
    for folder in (shards, parquet):
        folder.mkdir(exist_ok=True)
    write_shard(shards / "tiny-train-0000.tar", files, long_names=False)
    write_shard(shards / "tiny-validation-0000.tar", dict(list(files.items())[:3]), long_names=True)
    write_parquet(parquet / "train-00000-of-00001.parquet", files)
    write_parquet(parquet / "validation-00000-of-00001.parquet", dict(list(files.items())[:3]))


if __name__ == "__main__":
    main()
