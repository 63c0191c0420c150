#!/usr/bin/env bash
# Packs XenSim.Testing from this tree and forgets an older one of the same version. Then: dotnet test --project docs/samples/xunit
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
dotnet pack "$root/src/Testing" -c Release -o "$root/artifacts/packages" -nologo -v quiet
rm -rf "${NUGET_PACKAGES:-$HOME/.nuget/packages}/xensim.testing"
