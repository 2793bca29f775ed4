#!/usr/bin/env bash
# Sees to it that the image debian:trixie-slim is there: it is used if present,
# pulled if some registry answers, and otherwise made on this machine. The name
# is the same in all three cases, so that no Dockerfile knows the difference.
set -euo pipefail

image=debian:trixie-slim

docker image inspect "$image" >/dev/null 2>&1 && exit 0
timeout "${LECTERN_PULL_TIMEOUT:-120}" docker pull --quiet "$image" >/dev/null 2>&1 && exit 0

command -v mmdebstrap >/dev/null || {
	echo "deploy/base.sh: $image cannot be pulled, and mmdebstrap is not installed to make it." >&2
	exit 1
}

# mmdebstrap knows the distribution's archive and its keys. What is left out is
# what the official slim images leave out; the setting stays in the image, so
# packages installed later are slim too.
tarball=$(mktemp)
trap 'rm -f "$tarball"' EXIT
if ! log=$(mmdebstrap --variant=minbase \
	--dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-exclude=/usr/share/info/*' \
	--dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-include=/usr/share/doc/*/copyright' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	trixie - 2>&1 >"$tarball"); then
	printf '%s\n' "$log" >&2
	exit 1
fi
docker import --change 'CMD ["bash"]' --message "made locally: registry not reachable" "$tarball" "$image" >/dev/null
