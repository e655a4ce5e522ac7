"""Three real services chained: MariaDB, nginx, and the guide's application behind both."""
import textwrap

import pytest

import guide
from processes import wait_until
from upkeep import Pid1, need_program, need_root, need_user

DATA = "/run/chain"
WEB_PORT = 8080

MYSQL = f"""
    start on runlevel [2345]
    stop on runlevel [016]
    respawn
    kill timeout 30
    exec mariadbd --no-defaults --user=mysql --datadir={DATA}/db --socket={DATA}/db.sock \\
      --skip-networking --skip-log-bin --pid-file={DATA}/db.pid --innodb-buffer-pool-size=16M
    post-start script
      until mariadb-admin --no-defaults --socket={DATA}/db.sock ping; do sleep 0.1; done
    end script
    """

NGINX = f"""
    start on runlevel [2345]
    stop on runlevel [016]
    respawn
    pre-start exec nginx -t -q -c {DATA}/nginx.conf
    exec nginx -c {DATA}/nginx.conf
    """

# In its post-stop the application looks who is still there.
APPLICATION = f"""
    start on started mysql and started nginx
    stop on stopping mysql or stopping nginx
    respawn
    setuid www-data
    setgid www-data
    env PORT={guide.PORT}
    chdir {guide.HOME}
    exec env/bin/gunicorn animeta.wsgi --bind 127.0.0.1:$PORT --error-logfile -
    post-stop script
      mariadb-admin --no-defaults --user=root --socket={DATA}/db.sock ping || :
      pid=$(cat {DATA}/nginx.pid) && test -d /proc/$pid && echo nginx is alive || :
    end script
    """

NGINX_CONF = f"""
    daemon off;
    worker_processes 1;
    pid {DATA}/nginx.pid;
    error_log stderr;
    user www-data;
    events {{}}
    http {{
      access_log off;
      client_body_temp_path {DATA}/tmp;
      proxy_temp_path {DATA}/tmp;
      fastcgi_temp_path {DATA}/tmp;
      uwsgi_temp_path {DATA}/tmp;
      scgi_temp_path {DATA}/tmp;
      server {{
        listen 127.0.0.1:{WEB_PORT};
        location / {{ proxy_pass http://127.0.0.1:{guide.PORT}; }}
      }}
    }}
    """


@pytest.fixture
def chain():
    need_root()
    need_program("mariadbd", "mariadb-install-db", "mariadb-admin", "nginx")
    need_user("mysql")
    guide.need_guide()
    prepare = "\n".join([
        guide.install_commands(),
        f"mkdir -p {DATA}/tmp {DATA}/db",
        f"cat > {DATA}/nginx.conf <<'END'\n{textwrap.dedent(NGINX_CONF)}END",
        f"chown mysql: {DATA} {DATA}/db",
        # --force: a bare system may have no /etc/hosts, and names are not needed here.
        f"mariadb-install-db --force --no-defaults --user=mysql --datadir={DATA}/db"
        " --auth-root-authentication-method=normal --skip-test-db >/dev/null",
    ])
    daemon = Pid1(prepare=prepare)
    for name, text in (("mysql", MYSQL), ("nginx", NGINX), ("app", APPLICATION)):
        daemon.job(name, text)
    with daemon:
        yield daemon


def in_order(monitor, *wanted):
    """Whether the (job, state) pairs were entered in this order, each for the first time."""
    places = [monitor.states.index(one) for one in wanted]
    return places == sorted(places)


def test_chain_starts_serves_and_stops_in_order(chain):
    monitor = chain.monitor()
    chain.succeed("initctl", "emit", "runlevel", "RUNLEVEL=2", "PREVLEVEL=N", timeout=120)
    monitor.wait_for("started", "app", timeout=60)
    assert in_order(monitor, ("mysql", "running"), ("app", "starting"), ("app", "running"))
    assert in_order(monitor, ("nginx", "running"), ("app", "starting"))
    for job in ("mysql", "nginx", "app"):
        assert chain.state(job) == "start/running"
    wait_until(lambda: guide.fetch(chain, port=WEB_PORT), "an answer through nginx", timeout=30)
    assert guide.fetch(chain, port=WEB_PORT).endswith(f" of master {chain.pid_of('app')}\n")

    chain.succeed("initctl", "emit", "runlevel", "RUNLEVEL=0", "PREVLEVEL=2", timeout=120)
    for job in ("app", "mysql", "nginx"):
        monitor.wait_for("stopped", job, timeout=60)
        assert chain.status(job) == f"{job} stop/waiting\n"
    # Of the two, mysql comes first: it is not touched before the application has stopped.
    assert in_order(monitor, ("mysql", "stopping"), ("app", "waiting"), ("mysql", "killed"),
                    ("mysql", "waiting"))
    assert "mysqld is alive" in chain.log("app")
    assert repr(monitor.wait_for("stopped", "mysql")) == (
        "stopped JOB=mysql INSTANCE= RESULT=ok")


def test_stopping_one_link_stops_the_application(chain):
    chain.succeed("initctl", "emit", "runlevel", "RUNLEVEL=2", "PREVLEVEL=N", timeout=120)
    chain.wait_status("app", "start/running", timeout=60)
    database = chain.pid_of("mysql")
    assert chain.succeed("stop", "nginx") == "nginx stop/waiting\n"
    assert chain.status("app") == "app stop/waiting\n"
    assert "nginx is alive" in chain.log("app")
    assert chain.pid_of("mysql") == database
