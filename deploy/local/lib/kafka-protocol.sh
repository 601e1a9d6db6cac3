# shellcheck shell=bash
# As much of Kafka's wire protocol as it takes to see that a broker serves, without starting a JVM.
# Requests and answers are hex digits. The versions are old ones that Kafka 4 still speaks and whose
# answers need no tagged fields (KIP-482).

INIT_PRODUCER_ID=22 FIND_COORDINATOR=10 DESCRIBE_GROUPS=15 METADATA=3
CLIENT_ID=services
ANSWER_SECONDS_MAX=5

# TEXT: a string of the protocol, two bytes of length before it; ASCII only.
hex_string() {
  local text="$1" hex i
  printf -v hex '%04x' "${#text}"
  for ((i = 0; i < ${#text}; i++)); do printf -v hex '%s%02x' "$hex" "'${text:i:1}"; done
  echo "$hex"
}

read_hex() { timeout "$ANSWER_SECONDS_MAX" head -c "$1" <&3 | od -An -v -tx1 | tr -d ' \n'; }

# PORT API VERSION BODY: sets `answer`, behind its correlation id, and `at` to its begin.
ask() {
  local request size
  exec 3<>"/dev/tcp/127.0.0.1/$1"
  request="$(printf '%04x%04x00000001' "$2" "$3")$(hex_string "$CLIENT_ID")$4"
  request="$(printf '%08x' $((${#request} / 2)))$request"
  # shellcheck disable=SC2059
  printf "$(sed 's/../\\x&/g' <<<"$request")" >&3
  size="$(read_hex 4)"
  answer="$(read_hex $((16#$size)))"
  exec 3>&-
  ((${#answer} == 2 * 16#$size)) || exit 1
  at=8
}

# BYTES: sets `value` to the signed whole number there.
take() {
  local digits=$((2 * $1))
  value=$((16#${answer:at:digits}))
  ((value < 1 << (8 * $1 - 1))) || ((value -= 1 << (8 * $1)))
  ((at += digits))
}

take_string() {
  take 2
  ((value <= 0)) || ((at += 2 * value))
}

skip() { ((at += 2 * $1)); }

# Reads an answer to METADATA 1: sets `brokers`, and `short` to the partitions that have no leader
# or fewer replicas in sync than $1 missing brokers explain.
take_metadata() {
  local missing="$1" topics partitions replicas i j
  take 4
  brokers=$value short=0
  for ((i = 0; i < brokers; i++)); do
    skip 4       # node id
    take_string  # host
    skip 4       # port
    take_string  # rack
  done
  skip 4 # controller
  take 4
  topics=$value
  for ((i = 0; i < topics; i++)); do
    skip 2       # error
    take_string  # name
    skip 1       # internal
    take 4
    partitions=$value
    for ((j = 0; j < partitions; j++)); do
      skip 6 # error, partition
      take 4
      ((value >= 0)) || ((short += 1))
      take 4
      replicas=$value
      skip $((4 * replicas))
      take 4
      ((value + missing >= replicas)) || ((short += 1))
      skip $((4 * value))
    done
  done
}

# PORT LIVE COUNT: prints what a broker lacks to serve while LIVE of COUNT brokers are started;
# nothing when it serves; fails when it does not answer.
missing_of_broker() (
  set +e
  answer="" at=0 value=0 brokers=0 short=0
  all_topics=ffffffff no_transaction=ffff0000ea60

  ask "$1" "$METADATA" 1 "$all_topics"
  take_metadata $(($3 - $2))
  ((brokers >= $2)) || { echo "$2 brokers, but $brokers"; exit; }

  ask "$1" "$INIT_PRODUCER_ID" 0 "$no_transaction"
  skip 4 # throttle time
  take 2
  ((value == 0)) || { echo "producer id (error $value)"; exit; }

  # A group lives on the partition of __consumer_offsets that its name hashes to: these three names
  # are one for each of the three partitions. The first question also creates the topic.
  for group in a b c; do
    ask "$1" "$FIND_COORDINATOR" 0 "$(hex_string "$group")"
    take 2
    ((value == 0)) || { echo "group coordinator (error $value)"; exit; }
    skip 4      # node id
    take_string # host
    take 4
    ask "$value" "$DESCRIBE_GROUPS" 0 "00000001$(hex_string "$group")"
    skip 4 # groups
    take 2
    ((value == 0)) || { echo "loaded group coordinator (error $value)"; exit; }
  done

  ask "$1" "$METADATA" 1 "$all_topics"
  take_metadata $(($3 - $2))
  ((short == 0)) || echo "replicas in sync ($short partitions)"
  exit 0
) 2>/dev/null
