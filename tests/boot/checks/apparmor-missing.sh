# A profile that is not there: the start fails, and the message names the step and the profile.
if initctl start unconfined; then
  echo "started without its profile"
  exit 1
fi
initctl status unconfined | grep -q stop/waiting || { initctl status unconfined; exit 1; }
dmesg | grep -i unconfined | grep -i apparmor || { echo "no message names it:"; dmesg | tail -n 20; exit 1; }
