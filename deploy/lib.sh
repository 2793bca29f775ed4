# What the set-up scripts share; sourced with the project's root as directory.

data=${LECTERN_DATA:-data}
cache=.cache
mkdir -p "$cache"
PATH=$PATH:/usr/local/go/bin:/usr/sbin:/sbin # where the engine and iptables are, for people too

# say prints one line of progress; note adds a detail below it.
say() { printf '%s\n' "$*"; }
note() { printf '        %s\n' "$*"; }

# step N/M what: the beginning of a line that found, or done, ends.
step() { printf '[%s] %-22s ' "$1" "$2"; }

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif have sudo; then
		sudo "$@"
	else
		say "This needs root and there is no sudo: $*" >&2
		return 1
	fi
}

# install_packages asks apt for what is missing; the package lists are fetched
# only when apt does not know a package or can no longer download it.
install_packages() {
	have apt-get || {
		say "no apt-get here; please install by hand: $*" >&2
		return 1
	}
	printf 'installing %s ... ' "$*"
	apt_install "$@" >"$cache/apt.log" 2>&1 && return
	{ as_root apt-get -o DPkg::Lock::Timeout=300 update -qq && apt_install "$@"; } >>"$cache/apt.log" 2>&1 && return
	say "failed:" >&2
	tail -n 20 "$cache/apt.log" >&2
	return 1
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
		-o Dpkg::Options::=--force-confold install -y -qq --no-install-recommends "$@"
}
