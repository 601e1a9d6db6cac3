# shellcheck shell=bash
# Redis: one server with an append-only file, so that a restart finds its keys.

redis_settle() { settle_port redis.port REDIS_PORT 16379 28000 1; }

redis_port() { recalled redis.port; }

redis_start() {
  local folder="$SERVICES_RUN/redis" command
  refuse_taken_port redis "$(redis_port)"
  mkdir -p "$folder"
  # Redis would rewrite its command line, by which pid_of knows it.
  cat >"$folder/redis.conf" <<CONF
bind 127.0.0.1
port $(redis_port)
dir "$folder"
appendonly yes
save ""
set-proc-title no
CONF
  read_command "$SERVICES_CACHE/redis" redis-server
  launch redis "${command[@]}" "$folder/redis.conf"
}

redis_missing() (
  exec 3<>"/dev/tcp/127.0.0.1/$(redis_port)" || exit 1
  printf 'PING\r\n' >&3
  read -r -t 3 answer <&3
  [[ "$answer" == $'+PONG\r' ]] || echo "PONG, but $answer"
) 2>/dev/null
