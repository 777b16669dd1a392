# Moult for the peer bench: answers to caps, start, multi, url and reload as its other servers do.
# MOULT_BIN: the folder of moultd (default: this tree's build/bin); MOULT_PYTHON: the apps' Python.
. "$(dirname "$0")/common.sh"
: "${MOULT_BIN:=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../build/bin}"
: "${MOULT_PYTHON:=/usr/bin/python3}"

# app NAME FOLDER FILE PREFIX
app() {
  cat > "$RUN/config/apps/$1.toml" <<V
tree = "$2"
entry = "$3.py"
callable = "application"
python = "$MOULT_PYTHON"
route = "$4"
threads = $THREADS
interpreters = ${WORKERS:-1}
keep_previous = 0
V
}

daemon() {
  export HOME=$RUN MOULT_SOCKET=$RUN/control.sock
  exec "$MOULT_BIN/moultd" --config "$RUN/config" --state "$RUN/state"
}

case "$1" in
caps) echo "wsgi reload multi threads keepalive" ;;
start)
  mkdir -p "$RUN/config/apps"
  echo "listen = \"127.0.0.1:$PORT\"" > "$RUN/config/moult.toml"
  app main "$APPDIR" "$APP" /
  daemon ;;
multi)
  mkdir -p "$RUN/config/apps"
  printf 'listen = "127.0.0.1:%s"\n%s\n' "$PORT" "${MOULT_HOSTS:+hosts = $MOULT_HOSTS}" > "$RUN/config/moult.toml"
  for i in $(seq 1 "$N"); do app "app$i" "$APPDIR/app$i" app "/app$i"; done
  daemon ;;
url) prefix_url "$2" ;;
reload) exit 0 ;; # the daemon watches the folder itself
esac
