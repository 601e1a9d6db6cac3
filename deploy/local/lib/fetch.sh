# shellcheck shell=bash
# Downloads into $SERVICES_CACHE. A folder there appears by one rename after its program has run
# once, so what is there is whole.

JAVA_MAJOR_MIN=17
# Debian's stable suites carry MariaDB only; MySQL is in the unstable one.
DEBIAN_SUITE="${SLUICE_SERVICES_SUITE:-sid}"
DEBIAN_KEYRING="${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}"

fetch() { # [NAME...]
  local name
  (($# > 0)) || set -- kafka mysql redis
  for name in "$@"; do
    case "$name" in
      kafka*) is_fetched "kafka-$KAFKA_VERSION" && has_java || fetch_locked fetch_kafka ;;
      mysql) is_fetched mysql || fetch_locked fetch_debian mysql mysqld mysql-server-core ;;
      redis) is_fetched redis || fetch_locked fetch_debian redis redis-server redis-server ;;
      *) die "no service is named \"$name\"" ;;
    esac
  done
}

is_fetched() { [[ -d "$SERVICES_CACHE/$1" ]]; }

# One download at a time for all users of the cache; who waited finds it done.
fetch_locked() (
  exec 9>"$SERVICES_CACHE/lock"
  flock 9
  work="$(mktemp -d "$SERVICES_CACHE/work.XXXXXX")"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM
  "$@"
)

attempt() { # COMMAND...
  local tries
  for tries in 3 10 30 0; do
    "$@" && return 0
    ((tries > 0)) || return 1
    say "failed: $*; again in $tries s"
    sleep "$tries"
  done
}

as_root() {
  if [[ "$(id -u)" == 0 ]]; then "$@"; else sudo -n "$@"; fi
}

has_java() {
  local major
  major="$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')" || return 1
  ((${major:-0} >= JAVA_MAJOR_MIN))
}

# Packages of the host itself, by its own apt.
install_on_host() {
  say "installing $*"
  { attempt as_root apt-get -qq update &&
    attempt as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq -y --no-install-recommends install "$@" >/dev/null; } ||
    die "could not install $*: install them by hand"
}

fetch_kafka() {
  local wanted=() jars="$work/kafka/libs"
  has_java || wanted+=(default-jre-headless)
  is_fetched "kafka-$KAFKA_VERSION" || command -v mvn >/dev/null || wanted+=(maven)
  ((${#wanted[@]} == 0)) || install_on_host "${wanted[@]}"
  has_java || die "needs Java $JAVA_MAJOR_MIN or newer"
  if is_fetched "kafka-$KAFKA_VERSION"; then return; fi

  say "fetching Kafka $KAFKA_VERSION"
  mkdir -p "$work/kafka"
  cp "$here/kafka-pom.xml" "$work/kafka/pom.xml"
  attempt mvn -q -B -Dstyle.color=never -f "$work/kafka/pom.xml" "-Dkafka.version=$KAFKA_VERSION" \
    "$MAVEN_DEPENDENCY_PLUGIN:copy-dependencies" -DincludeScope=runtime "-DoutputDirectory=$jars"
  java -cp "$jars/*" kafka.Kafka --version >"$work/kafka/version" 2>"$work/log" ||
    { tail -n 20 "$work/log" >&2; die "Kafka was fetched, but does not run"; }
  mv "$work/kafka" "$SERVICES_CACHE/kafka-$KAFKA_VERSION"
}

# The host's mirror of Debian; a host that has never updated its lists does not know its origin.
debian_mirror() {
  local origin=("Created-By: Packages" "Origin: Debian" "Label: Debian") mirror
  mirror="$(apt-get indextargets --format '$(REPO_URI)' "${origin[@]}" | head -n 1)"
  if [[ -z "$mirror" ]]; then
    attempt as_root apt-get -qq update >&2 || true
    mirror="$(apt-get indextargets --format '$(REPO_URI)' "${origin[@]}" | head -n 1)"
  fi
  echo "${mirror:-${DEBIAN_MIRROR:?no Debian mirror in the sources of apt: set DEBIAN_MIRROR}}"
}

# An apt with a state of its own that believes nothing is installed: it downloads a program with all
# its libraries, and the packages of the host are neither asked nor touched.
prepare_apt() {
  local mirror
  [[ -r "$DEBIAN_KEYRING" ]] || die "DEBIAN_KEYRING=$DEBIAN_KEYRING cannot be read"
  mirror="$(debian_mirror)"
  mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
  touch "$work/apt/status"
  echo "deb [signed-by=$DEBIAN_KEYRING] $mirror $DEBIAN_SUITE main" >"$work/apt/sources.list"
  cat >"$work/apt/apt.conf" <<CONF
Dir::Etc::SourceList "$work/apt/sources.list";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$work/apt/lists";
Dir::State::Status "$work/apt/status";
Dir::Cache "$work/apt/cache";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "true";
CONF
}

# The lists are read anew with each attempt: an unstable suite moves.
download_debian() { # PACKAGE...
  local -x APT_CONFIG="$work/apt/apt.conf"
  apt-get -qq update && apt-get -qq -y --download-only install "$@"
}

fetch_debian() { # NAME PROGRAM PACKAGE
  local name="$1" program="$2" package="$3" root="$work/$1" archive
  if is_fetched "$name"; then return; fi
  say "fetching $package of Debian $DEBIAN_SUITE"
  prepare_apt
  attempt download_debian "$package" || die "$package could not be downloaded"
  mkdir "$root"
  for archive in "$work/apt/cache/archives/"*.deb; do
    dpkg-deb -x "$archive" "$root"
    dpkg-deb --show --showformat '${Package} ${Version}\n' "$archive" >>"$root/packages"
  done
  # Two thirds of what the dependencies bring and a server never opens.
  rm -rf "$root"/usr/share/{doc,man,perl,perl5} "$root"/usr/lib/*-linux-gnu/{perl,gconv}
  run_once "$root" "$program" || die "$program was fetched, but does not run"
  mv "$root" "$SERVICES_CACHE/$name"
}

run_once() { # ROOT PROGRAM
  local command
  read_command "$1" "$2"
  "${command[@]}" --version >"$1/version"
}

# ROOT PROGRAM: sets the caller's `command` to the program under the loader and the libraries that
# came with it; those of the host may be older.
read_command() {
  local root="$1" program loader libraries
  program="$(first_file "$root" -path "*/*bin/$2")"
  loader="$(first_file "$root" -name "ld-linux*.so.*")"
  [[ -n "$program" && -n "$loader" ]] || die "$root has no $2 or no loader: remove it, then fetch"
  libraries="$(find "$root" -maxdepth 3 -type d -name '*-linux-gnu' | tr '\n' ':')"
  command=("$loader" --library-path "$libraries$root/usr/lib/mysql/private" "$program")
}

first_file() { find "$1" ! -type d "${@:2}" -print -quit; }
