# SPDX-License-Identifier: MIT
"""Sends the numbers 1 to COUNT, a request each, and sends again what is not answered with STATUS.

    sender.py ADDRESS_FILE COUNT STATUS

The file holds the address, or is what a run says, with "... listens on ADDRESS" among it.  It is
read anew whenever the connection is gone: the server may have been killed and come
back somewhere else.  Numbers that were sent more than once are printed.
"""

import http.client
import select
import sys
import threading
import urllib.parse

file, count, status = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
left = list(range(count, 0, -1))
twice = set()
lock = threading.Lock()


def connect():
    with open(file) as text:
        said = text.read().rpartition("listens on ")[2]
    where = urllib.parse.urlparse(said.partition("\n")[0].strip())
    if where.hostname is None:
        raise ValueError("it does not listen yet")
    return http.client.HTTPConnection(where.hostname, where.port, timeout=20)


def send(number):
    """True: it has been answered as it should be."""
    try:
        here.connection = getattr(here, "connection", None) or connect()
        here.connection.request("POST", "/", body=str(number), headers={"X-Id": str(number)})
        answer = here.connection.getresponse()
        answer.read()
        return answer.status == status
    except (OSError, ValueError, http.client.HTTPException):
        here.connection = None
        select.select([], [], [], 0.01)  # the server is on its way
        return False


def work():
    while True:
        with lock:
            if not left:
                return
            number = left.pop()
        while not send(number):
            twice.add(number)


here = threading.local()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for number in sorted(twice):
    print(number)
