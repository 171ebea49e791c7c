#!/bin/sh
# Resolve pyproject.toml into hashed files that name no registry. `make lock` calls it.
set -eu
cd "$(dirname "$0")/.."
UV="$(pwd)/.venv/bin/uv"

compile() { # output, then what to resolve
  out="$1"
  shift
  "$UV" pip compile "$@" --output-file "$out" --quiet --python-version 3.11 \
    --generate-hashes --no-emit-index-url --no-emit-find-links --no-header
}

compile requirements/bootstrap.txt requirements/bootstrap.in --universal
compile requirements/all.txt pyproject.toml --universal \
  --extra starter --extra gpl --extra remote --extra studio --extra dev
# The same versions, without the tools for development.
compile requirements/run.txt pyproject.toml --universal \
  --extra starter --extra gpl --constraint requirements/all.txt

# Engines that cannot live with the core: an environment each, on Linux with NVIDIA GPUs.
for engine in vllm transformers coqui; do
  compile "requirements/engines/$engine.txt" "requirements/engines/$engine.in" \
    --python-platform x86_64-manylinux_2_28
done
