# shellcheck shell=bash
# Kafka: 1 or 3 nodes, each broker and controller. Node i has the ports KAFKA_PORT + 2 (i - 1) for
# clients and the next one for the controllers.

KAFKA_VERSION=4.1.1
MAVEN_DEPENDENCY_PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
# Sixteen bytes, "sluice-local-001", as Kafka writes a UUID.
KAFKA_CLUSTER_ID=c2x1aWNlLWxvY2FsLTAwMQ

kafka_count() {
  recalled kafka.count || echo "${KAFKA_BROKERS_COUNT:-1}"
}

kafka_settle() {
  [[ "${KAFKA_BROKERS_COUNT:-1}" == [13] ]] ||
    die "KAFKA_BROKERS_COUNT=$KAFKA_BROKERS_COUNT is neither 1 nor 3"
  settle kafka.count KAFKA_BROKERS_COUNT 1
  settle_port kafka.port KAFKA_PORT 19092 20000 6
}

kafka_port() { echo $(($(recalled kafka.port) + 2 * (${1#kafka} - 1))); }

kafka_addresses() {
  local name addresses=""
  for name in $(members kafka); do addresses+=",127.0.0.1:$(kafka_port "$name")"; done
  echo "${addresses#,}"
}

kafka_live_count() {
  local name live=0
  for name in $(members kafka); do
    if pid_of "$name" >/dev/null; then ((live += 1)); fi
  done
  echo "$live"
}

# Three replicas need two in sync, so that one broker may be lost.
kafka_properties() { # NAME
  local name="$1" count port voters="" i in_sync_min=1
  count="$(kafka_count)"
  port="$(kafka_port "$name")"
  ((count == 1)) || in_sync_min=2
  for ((i = 1; i <= count; i++)); do
    voters+=",$i@127.0.0.1:$(($(kafka_port "kafka$i") + 1))"
  done
  cat <<CONF
process.roles=broker,controller
node.id=${name#kafka}
controller.quorum.voters=${voters#,}
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=$SERVICES_RUN/$name/data

auto.create.topics.enable=false
default.replication.factor=$count
min.insync.replicas=$in_sync_min
unclean.leader.election.enable=false
offsets.topic.num.partitions=3
offsets.topic.replication.factor=$count
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=$count
transaction.state.log.min.isr=$in_sync_min
share.coordinator.state.topic.num.partitions=3
share.coordinator.state.topic.replication.factor=$count
share.coordinator.state.topic.min.isr=$in_sync_min
group.initial.rebalance.delay.ms=0

# A killed broker may come back only after its old session has ended; 9000 would be the default.
# The heartbeat's interval is also the time that a registration may take: 500 fails on a busy machine.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=1000
controlled.shutdown.max.retries=1

# Small, for several brokers beside tests: the cleaner alone would take 128 MB of heap.
log.segment.bytes=16777216
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=2
num.io.threads=4
CONF
}

# OPTION... MAIN ARGUMENT...: sets the caller's `command`.
kafka_command() {
  command=(
    java -Xms64m -XX:+UseSerialGC -Djava.net.preferIPv4Stack=true
    -Dorg.slf4j.simpleLogger.showDateTime=true
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS"
    -cp "$SERVICES_CACHE/kafka-$KAFKA_VERSION/libs/*" "$@"
  )
}

kafka_start() { # NAME
  local name="$1" folder="$SERVICES_RUN/$1" port command
  port="$(kafka_port "$name")"
  refuse_taken_port "$name" "$port"
  refuse_taken_port "$name's controller" "$((port + 1))"
  mkdir -p "$folder"
  kafka_properties "$name" >"$folder/server.properties"
  if [[ ! -e "$folder/data/meta.properties" ]]; then
    kafka_command -Xmx128m -XX:TieredStopAtLevel=1 kafka.tools.StorageTool \
      format --cluster-id "$KAFKA_CLUSTER_ID" --config "$folder/server.properties"
    "${command[@]}" >"$folder/log" 2>&1 || fail_with_log "$name" "formatting $name failed"
  fi
  kafka_command -Xmx512m kafka.Kafka "$folder/server.properties"
  launch "$name" "${command[@]}"
}

kafka_missing() { # NAME
  missing_of_broker "$(kafka_port "$1")" "$(kafka_live_count)" "$(kafka_count)"
}
