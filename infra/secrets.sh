#!/bin/sh
# Writes the stack's secrets into .env, which compose reads and git does not: each a random value,
# made once. What is there already stays. An operator token is added once the stack is published
# beyond this machine (STACK_HOST). The project's name is there too: compose without make would take
# the folder's, and start a second stack with volumes of its own.
set -eu

file=${1:-.env}
umask 077
touch "$file"
chmod 600 "$file"

random() { LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 32; }

add() {
  if ! grep -q "^$1=" "$file"; then
    # The file may end without a line end.
    [ -z "$(tail -c 1 "$file")" ] || echo >>"$file"
    echo "$1=$2" >>"$file"
    echo "  $file: $1 was made"
  fi
}

add COMPOSE_PROJECT_NAME valerix
add STACK_POSTGRES_PASSWORD "$(random)"
add STACK_RABBITMQ_PASSWORD "$(random)"
add STACK_GRAFANA_PASSWORD "$(random)"
add VALERIX_SERVICE_TOKEN "$(random)"
case ${STACK_HOST:-127.0.0.1} in
  127.0.0.1 | localhost | ::1) ;;
  *) [ -n "${VALERIX_OPERATOR_TOKEN:-}" ] || add VALERIX_OPERATOR_TOKEN "$(random)" ;;
esac
