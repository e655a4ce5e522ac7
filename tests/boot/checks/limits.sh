# The cgroup stanzas of a running job, and what takes CAP_SYS_RESOURCE.
initctl start limited || exit 1
pid=$(initctl status limited | sed -n 's/.*process //p')
group=/sys/fs/cgroup$(cut -d: -f3 "/proc/$pid/cgroup")
failed=0
expect() {
  [ "$2" = "$3" ] || { echo "$1: $2, not $3"; failed=1; }
}
expect memory.max "$(cat "$group/memory.max")" 104857600
expect pids.max "$(cat "$group/pids.max")" 40
expect cpu.weight "$(cat "$group/cpu.weight")" 50
expect oom_score_adj "$(cat "/proc/$pid/oom_score_adj")" -500
expect limit "$(awk '/Max open files/ { print $4, $5 }' "/proc/$pid/limits")" "2048 1040000"
initctl stop limited || failed=1
[ ! -e "$group" ] || { echo "$group is left"; failed=1; }
exit $failed
