# broker.bash - sourced by scripts that need a mosquitto of their own, after tests/tap.sh.
#
#   free_port                    a port of 127.0.0.1 that nobody uses
#   broker_start CONFIG PORT     starts one, waits until it listens; its number in $broker
#   broker_stop                  ends it
#   password_file FILE USER...   users, each with the password `secret`
broker=''
mosquitto=$(PATH=$PATH:/usr/sbin command -v mosquitto)

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000)) # below the ports that the system gives away itself
        (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null || break
    done
    echo "$port"
}

broker_start() {
    "$mosquitto" -c "$1" > "$tmp/broker.log" 2>&1 &
    broker=$!
    local i
    for i in $(seq 100); do
        (: < "/dev/tcp/127.0.0.1/$2") 2> /dev/null && return 0
        kill -0 "$broker" 2> /dev/null || break
        sleep 0.05
    done
    echo "# the broker does not start: $(cat "$tmp/broker.log")"
    return 1
}

broker_stop() {
    [ -n "$broker" ] || return 0
    kill -CONT "$broker" 2> /dev/null
    kill "$broker" 2> /dev/null
    wait "$broker" 2> /dev/null
    broker=''
}

password_file() {
    local file=$1 user
    shift
    : > "$file"
    for user in "$@"; do mosquitto_passwd -b "$file" "$user" secret; done
    chmod 644 "$file"
}
