# The profile is loaded before pre-start, and confines the main process alone.
[ "$(cat /sys/module/apparmor/parameters/enabled)" = Y ] || { echo "the kernel has no AppArmor"; exit 1; }
echo secret >/run/secret
initctl start confined || exit 1
pid=$(initctl status confined | sed -n 's/.*process //p')
failed=0
current=$(cat "/proc/$pid/attr/current")
[ "$current" = "boxed (enforce)" ] || { echo "confined as: $current"; failed=1; }
[ "$(cat /run/read-by-pre-start)" = secret ] || { echo "pre-start is confined too"; failed=1; }
[ ! -e /run/read-by-main ] || { echo "main read what its profile denies"; failed=1; }
initctl stop confined || failed=1
exit $failed
