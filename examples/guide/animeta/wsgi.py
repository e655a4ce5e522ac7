"""The service of the guide: a small WSGI program, standard library only.

`/` answers with one line that names the worker and its master; `/env` with the port it was given;
anything else with 404.
"""
import os


def pages():
    return {
        "/": f"Hello from worker {os.getpid()} of master {os.getppid()}\n",
        "/env": f"PORT={os.environ.get('PORT', '')}\n",
    }


def application(environ, start_response):
    text = pages().get(environ.get("PATH_INFO") or "/")
    status = "200 OK"
    if text is None:
        status, text = "404 Not Found", "No such page\n"
    body = text.encode()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
