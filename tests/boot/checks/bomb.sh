# A fork bomb below a limit of its cgroup: the manager answers, and ends all of it.
initctl start bomb || exit 1
pid=$(initctl status bomb | sed -n 's/.*process //p')
group=/sys/fs/cgroup$(cut -d: -f3 "/proc/$pid/cgroup")
tries=0
until grep -q '^max [1-9]' "$group/pids.events"; do
  tries=$((tries + 1))
  [ $tries -lt 600 ] || { echo "the bomb does not reach its limit"; exit 1; }
  sleep 0.1
done
initctl status bomb || exit 1
initctl stop bomb || exit 1
[ ! -e "$group" ] || { echo "$group is left: $(cat "$group/cgroup.procs")"; exit 1; }
# The brackets keep the grep from finding its own argument.
if grep -l '[b]ombing' /proc/[0-9]*/cmdline 2>/dev/null; then
  echo "these are left"
  exit 1
fi
