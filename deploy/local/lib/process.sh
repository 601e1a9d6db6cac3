# shellcheck shell=bash
# Processes. Each has a folder of its own below $SERVICES_RUN, with its data, its log and its pid.

# What the first `up` settled stays true for the folder until `wipe`.
recalled() { cat "$SERVICES_RUN/$1" 2>/dev/null; }

# NAME SETTING DEFAULT: settles a number, or refuses one that the folder's data contradicts.
settle() {
  local name="$1" setting="$2" value="${!2:-}" default="$3" old
  if old="$(recalled "$name")"; then
    [[ -z "$value" || "$value" == "$old" ]] ||
      die "$setting=$value, but $SERVICES_RUN was begun with $old: unset it, or wipe first"
    return 0
  fi
  value="${value:-$default}"
  [[ "$value" =~ ^[1-9][0-9]*$ ]] || die "$setting=$value is not a whole number above 0"
  echo "$value" >"$SERVICES_RUN/$name"
}

# NAME SETTING DEFAULT FROM COUNT: the same for a port; the setting 0 takes COUNT free ones in a row.
settle_port() {
  if [[ "${!2:-}" != 0 ]]; then
    settle "$1" "$2" "$3"
  elif ! recalled "$1" >/dev/null; then
    free_ports "$4" "$5" >"$SERVICES_RUN/$1"
  fi
}

is_listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# FROM COUNT: the first of so many free ports in a row, one of the 4000 behind FROM. To be used
# below 32768: from there on Linux gives ports to outgoing connections.
free_ports() {
  local first port
  while true; do
    first=$(($1 + RANDOM % 4000))
    for ((port = first; port < first + $2; port++)); do
      if is_listening "$port"; then continue 2; fi
    done
    echo "$first"
    return
  done
}

# The fields of /proc/PID/stat from the third (the state) on; the name before them may hold spaces.
stat_of() {
  local stat
  { stat="$(<"/proc/$1/stat")"; } 2>/dev/null || return 1
  echo "${stat##*) }"
}

# With the pid, the start time (in clock ticks since boot) says which process is meant.
start_time() {
  local fields
  read -ra fields < <(stat_of "$1") && echo "${fields[19]}"
}

is_paused() { [[ "$(stat_of "$1")" == [Tt]* ]]; }

rss_megabytes() { awk '/^VmRSS:/ { print int($2 / 1024) }' "/proc/$1/status"; }

# The pid of a service, if it lives and is the very process that this script started.
pid_of() {
  local pid started command
  read -r pid started 2>/dev/null <"$SERVICES_RUN/$1/pid" || return 1
  [[ "$(start_time "$pid")" == "$started" ]] || return 1
  command="$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")" || return 1
  [[ "$command" == *"$SERVICES_RUN/$1/"* ]] || return 1
  echo "$pid"
}

send() { # SIGNAL NAME
  local pid
  pid="$(pid_of "$2")" && kill -s "$1" "$pid"
}

# A killed process is a zombie at once, but keeps its sockets until its last thread has ended.
has_ended() { # PID START_TIME
  local tasks
  [[ "$(start_time "$1")" == "$2" ]] || return 0
  [[ "$(stat_of "$1")" == Z* ]] || return 1
  tasks=("/proc/$1/task/"*)
  ((${#tasks[@]} <= 1))
}

await_end() { # NAME SECONDS
  local pid started tries
  read -r pid started 2>/dev/null <"$SERVICES_RUN/$1/pid" || return 0
  for ((tries = $2 * 20; tries > 0; tries--)); do
    if has_ended "$pid" "$started"; then
      rm -f "$SERVICES_RUN/$1/pid"
      return 0
    fi
    sleep 0.05
  done
  return 1
}

# NAME COMMAND...: the command line has to name the folder, because pid_of looks for it there.
# A session of its own, so that Ctrl-C in the caller's terminal does not reach it; with
# SLUICE_SERVICES_ATTACHED=1 it stays in the caller's process group and ends with that.
launch() {
  local name="$1" pid tries
  shift
  [[ "${SLUICE_SERVICES_ATTACHED:-}" == 1 ]] || set -- setsid "$@"
  (cd "$SERVICES_RUN/$name" && exec "$@") </dev/null >>"$SERVICES_RUN/$name/log" 2>&1 &
  pid=$!
  echo "$pid $(start_time "$pid" || true)" >"$SERVICES_RUN/$name/pid"
  # Until exec the command line is still this script's.
  for ((tries = 250; tries > 0; tries--)); do
    pid_of "$name" >/dev/null && return 0
    [[ -e "/proc/$pid" ]] || break
    sleep 0.02
  done
  fail_with_log "$name" "$name did not start"
}

fail_with_log() { # NAME TEXT
  tail -n 20 "$SERVICES_RUN/$1/log" >&2 || true
  die "$2 (log: $SERVICES_RUN/$1/log)"
}

refuse_taken_port() { # NAME PORT
  if is_listening "$2"; then
    die "$1 cannot have port $2: another process listens there; set another port, or 0 for any"
  fi
}

# The member's `missing` function prints what is not ready yet, and nothing once it serves.
await_ready() {
  local name="$1" missing pid begun_at=$SECONDS
  while missing="$(of_member missing "$name")" || missing="an answer"; [[ -n "$missing" ]]; do
    pid="$(pid_of "$name")" || fail_with_log "$name" "$name died"
    if is_paused "$pid"; then die "$name is paused: services resume $name"; fi
    ((SECONDS - begun_at < READY_SECONDS_MAX)) ||
      fail_with_log "$name" "$name is not ready after $READY_SECONDS_MAX s; it lacks: $missing"
    sleep 0.1
  done
}
