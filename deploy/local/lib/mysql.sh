# shellcheck shell=bash
# MySQL: one server, root without a password, every commit synced to disk.

MYSQL_DATABASE=sluice

mysql_settle() { settle_port mysql.port MYSQL_PORT 13306 24000 1; }

mysql_port() { recalled mysql.port; }

mysql_start() {
  local folder="$SERVICES_RUN/mysql" root="$SERVICES_CACHE/mysql" command
  refuse_taken_port mysql "$(mysql_port)"
  mkdir -p "$folder"
  read_command "$root" mysqld
  command+=(
    --no-defaults
    "--basedir=$root/usr"
    "--datadir=$folder/data"
    "--lc-messages-dir=$root/usr/share/mysql"
    "--character-sets-dir=$root/usr/share/mysql/charsets"
    "--plugin-dir=$root/usr/lib/mysql/plugin"
  )
  # mysqld runs as root only when told so.
  [[ "$(id -u)" != 0 ]] || command+=(--user=root)

  if [[ ! -e "$folder/initialized" ]]; then
    rm -rf "$folder/data"
    "${command[@]}" --initialize-insecure >"$folder/log" 2>&1 ||
      fail_with_log mysql "mysqld --initialize-insecure failed"
    touch "$folder/initialized"
  fi
  cat >"$folder/init.sql" <<SQL
CREATE USER IF NOT EXISTS 'root'@'127.0.0.1';
GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
CREATE DATABASE IF NOT EXISTS $MYSQL_DATABASE;
SQL
  # The lock of a killed server counts as held while its zombie is not reaped.
  rm -f "$folder/data/mysql.sock.lock"
  # The socket is relative to the data: the path of a Unix socket has at most 107 characters.
  launch mysql "${command[@]}" \
    --bind-address=127.0.0.1 "--port=$(mysql_port)" --skip-name-resolve \
    --socket=mysql.sock "--pid-file=$folder/mysqld.pid" --mysqlx=OFF --secure-file-priv=NULL \
    --innodb-flush-log-at-trx-commit=1 --sync-binlog=1 "--init-file=$folder/init.sql"
}

# The server greets a connection with a packet whose fifth byte, the protocol version, is 10; it
# opens its port only after the init file.
mysql_missing() (
  exec 3<>"/dev/tcp/127.0.0.1/$(mysql_port)" || exit 1
  read -ra greeting < <(timeout 3 head -c 5 <&3 | od -An -v -tu1)
  [[ "${greeting[4]:-}" == 10 ]] || echo "greeting"
) 2>/dev/null
